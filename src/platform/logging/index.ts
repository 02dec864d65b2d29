export { logger } from './logger.js';
export { NestLogger } from './nest-logger.js';
