import { pino } from 'pino';
import { logger } from './logger.js';

/** What a request's line says: ids, route, status and time, nothing of its content. */
export interface RequestLine {
  readonly requestId: string | undefined;
  readonly tenantId: string | undefined;
  readonly subject: string | undefined;
  /** For whom the subject acted: a keyed hash. */
  readonly human: string | undefined;
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
  const tenant = line.tenantId === undefined ? '' : `"tenantId":${JSON.stringify(line.tenantId)},`;
  const subject = line.subject === undefined ? '' : `"subject":${JSON.stringify(line.subject)},`;
  const human = line.human === undefined ? '' : `"human":"${line.human}",`;
  destination.write(
    `{"level":30,"time":"${isoTime()}","requestId":"${line.requestId ?? ''}",${tenant}${subject}${human}"method":"${line.method}",` +
      `"path":${JSON.stringify(line.path)},"status":${line.status},"durationMs":${line.durationMs}` +
      `${line.aborted ? ',"aborted":true' : ''},"msg":"request"}\n`,
  );
}

let shownAtMs = 0;
let shown = '';

/** Now, to the millisecond; requests of the same one share the text. */
function isoTime(): string {
  const now = Date.now();
  if (now !== shownAtMs) {
    shownAtMs = now;
    shown = new Date(now).toISOString();
  }
  return shown;
}

/** Before the process ends. */
export function flushRequestLog(): void {
  destination.flushSync();
}
