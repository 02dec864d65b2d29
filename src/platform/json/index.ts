export * from './json-bounds.js';
export * from './json-object.js';
export { endOfString, parseJson } from './json-text.js';
