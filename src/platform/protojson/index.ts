export * from './protojson.js';
export { writeMessage } from './protojson-answer.js';
export {
  boolean,
  double,
  duration,
  enumeration,
  formatDuration,
  formatInt64,
  formatTimestamp,
  int64,
  integer,
  map,
  text,
  timestamp,
} from './protojson-scalars.js';
