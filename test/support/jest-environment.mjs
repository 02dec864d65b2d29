// A spec runs in Node's own global scope, and imports as Node does: a worker loads a module once, and not again for each spec,
// which took most of the suite's time. Changes of the process by a spec are undone after it.
import { register } from 'node:module';
import { TestEnvironment } from 'jest-environment-node';

register('./typescript-hooks.mjs', import.meta.url);

export default class extends TestEnvironment {
  constructor(...given) {
    super(...given);
    this.global = globalThis;
    this.variables = { ...process.env };
    this.folder = process.cwd();
  }

  async setup() {
    await super.setup();
    // Node knows the source maps of the code that it compiled; Jest's own reader of them, which is installed by now, does not.
    Error.prepareStackTrace = undefined;
    process.setSourceMapsEnabled(true);
  }

  async teardown() {
    for (const name of Object.keys(process.env)) if (!(name in this.variables)) delete process.env[name];
    Object.assign(process.env, this.variables);
    process.chdir(this.folder);
    await super.teardown();
  }
}
