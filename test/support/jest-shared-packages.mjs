// The transform of the packages that jest.config.mjs names as shared: in place of a module's text comes a line that takes
// the module as Node loaded it (jest-environment.mjs), with the same exports.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const ownText = readFileSync(new URL(import.meta.url), 'utf8');

export default {
  process(_text, file, { supportsStaticESM: asEsModule }) {
    const shared = `globalThis.requireShared(${JSON.stringify(file)})`;
    if (!asEsModule) return { code: `module.exports = ${shared};` };
    const names = Object.keys(require(file)).map((name) => JSON.stringify(name));
    const lines = names.map((name, index) => `const e${index} = shared[${name}]; export { e${index} as ${name} };`);
    return { code: [`const shared = ${shared};`, ...lines].join('\n') };
  },
  getCacheKey(_text, file, { supportsStaticESM: asEsModule }) {
    return createHash('sha256').update([ownText, file, asEsModule].join('\0')).digest('hex');
  },
};
