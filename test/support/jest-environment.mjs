// Jest loads every module again for every spec. Of some large packages that is a waste: they keep nothing that one spec could
// leave to the next. jest-shared-packages.mjs has a spec take them from here, where Node loads each once in a worker.
import { createRequire } from 'node:module';
import { TestEnvironment } from 'jest-environment-node';

export default class extends TestEnvironment {
  constructor(...given) {
    super(...given);
    this.global.requireShared = createRequire(import.meta.url);
  }
}
