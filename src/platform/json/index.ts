export * from './canonical-json.js';
export * from './json-bounds.js';
export * from './json-object.js';
export { endOfString, parseJson, skipSpace, ValueScan } from './json-text.js';
export { parseSteps } from './parse-steps.js';
export { allAtOnce, STEP_LENGTH, type Steps } from './steps.js';
export { isLongerThan, writeSteps } from './write-steps.js';
