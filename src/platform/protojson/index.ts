export * from './protojson.js';
export { writeMessage } from './protojson-answer.js';
export {
  boolean,
  double,
  enumeration,
  formatInt64,
  formatTimestamp,
  int64,
  integer,
  text,
  timestamp,
} from './protojson-scalars.js';
