export * from './json-object.js';
export { endOfString, parseJson } from './json-text.js';
