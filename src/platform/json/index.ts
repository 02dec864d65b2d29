export * from './canonical-json.js';
export * from './json-bounds.js';
export * from './json-object.js';
export { endOfString, parseJson } from './json-text.js';
export { parseSteps } from './parse-steps.js';
export type { Steps } from './steps.js';
