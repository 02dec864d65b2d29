export * from './protojson.js';
export { isLongMessage, writeMessage, writeMessageSteps } from './protojson-answer.js';
export {
  boolean,
  double,
  enumeration,
  formatTimestamp,
  int64,
  integer,
  text,
  timestamp,
  whyNotStorable,
} from './protojson-scalars.js';
export { timeZone } from './time-zone.js';
