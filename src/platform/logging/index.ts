export { logger } from './logger.js';
export { flushRequestLog, logRequest } from './request-log.js';
export { NestLogger } from './nest-logger.js';
