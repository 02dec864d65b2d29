export { logger } from './logger.js';
export { flushRequestLog, logRequest, type RequestLine } from './request-log.js';
export { NestLogger } from './nest-logger.js';
