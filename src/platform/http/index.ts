export * from './answers.decorator.js';
export * from './body.js';
export * from './dialect.guard.js';
export * from './dialect.js';
export * from './drain.js';
export * from './fault.filter.js';
export * from './http.module.js';
export * from './json-body.decorator.js';
export * from './json-object.js';
export { endOfString, parseJson } from './json-text.js';
export * from './newest-first.js';
export * from './outbound.js';
export * from './outbound-request.js';
export * from './page-tokens.js';
export * from './platform-body.decorator.js';
export * from './protojson.js';
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
export * from './request-context.js';
