// Jest's runtime, except that Node itself loads the modules (test/support/jest-environment.mjs).
const { pathToFileURL } = require('node:url');
const { default: Runtime } = require('jest-runtime');

// jest-circus keeps its state and its listeners here, and each spec needs its own.
const CIRCUS = /[\\/]jest-circus[\\/]build[\\/]/;
let runs = 0;

class NodeRuntime extends Runtime {
  requireInternalModule(file) {
    if (CIRCUS.test(file)) {
      for (const loaded of Object.keys(require.cache)) if (CIRCUS.test(loaded)) delete require.cache[loaded];
      delete globalThis[Symbol.for('EVENT_HANDLERS')];
    }
    return require(file);
  }

  unstable_shouldLoadAsEsm() {
    return true;
  }

  unstable_importModule(file) {
    return import(`${pathToFileURL(file).href}?run=${(runs += 1)}`);
  }
}

module.exports = { __esModule: true, default: NodeRuntime };
