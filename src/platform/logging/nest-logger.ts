import type { LoggerService } from '@nestjs/common';
import { logger } from './logger.js';

/** Nest's own lines (a missing provider, a lifecycle failure) go into the same log; its start-up chatter is debug. */
export class NestLogger implements LoggerService {
  log(message: unknown, context?: unknown): void {
    logger.debug({ context }, String(message));
  }

  error(message: unknown, ...rest: unknown[]): void {
    const error = message instanceof Error ? message : rest.find((item) => item instanceof Error);
    logger.error({ err: error }, message instanceof Error ? message.message : String(message));
  }

  warn(message: unknown, context?: unknown): void {
    logger.warn({ context }, String(message));
  }

  debug(message: unknown, context?: unknown): void {
    logger.debug({ context }, String(message));
  }
}
