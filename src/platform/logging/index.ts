export { logger } from './logger.js';
export { flushRequestLog, logCall, logRequest, type LoggedCall } from './request-log.js';
export { NestLogger } from './nest-logger.js';
