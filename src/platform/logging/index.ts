export { logger } from './logger.js';
export { flushRequestLog, logRequest, type RequestNames } from './request-log.js';
export { NestLogger } from './nest-logger.js';
