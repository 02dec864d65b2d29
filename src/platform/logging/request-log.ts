import { pino } from 'pino';
import { logger } from './logger.js';

/** What a request's line says: ids, route, status and time, nothing of its content. */
export interface RequestLine {
  readonly requestId: string | undefined;
  readonly tenantId: string | undefined;
  readonly subject: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
  readonly aborted: true | undefined;
}

const FLUSH_EVERY_MS = 500;

/** Gathers lines and writes many at once: one write per request would cost the hot path a system call each. */
const destination = pino.destination({
  dest: 1,
  sync: false,
  minLength: 32_768,
  maxWrite: 65_536,
  periodicFlush: FLUSH_EVERY_MS,
});

/**
 * The one line that every request leaves in the log. It is made of known fields alone, so that nothing has to be redacted;
 * a crash of the process loses at most the last half second of them, never an error's line.
 */
export function logRequest(line: RequestLine): void {
  if (!logger.isLevelEnabled('info')) return;
  destination.write(`${JSON.stringify({ level: 30, time: new Date().toISOString(), ...line, msg: 'request' })}\n`);
}

/** Before the process ends. */
export function flushRequestLog(): void {
  destination.flushSync();
}
