import { pino } from 'pino';
import { logger } from './logger.js';

/** Who a request's line names, by ids. */
interface RequestNames {
  readonly requestId: string;
  readonly tenantId?: string;
  readonly subject?: string;
  /** For whom the subject acted: a keyed hash. */
  readonly human?: string;
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
 * The one line that every request leaves in the log: ids, path, status and time, nothing of its content. It is made of known fields alone, so that nothing has to be redacted;
 * a crash of the process loses at most the last half second of them, never an error's line.
 */
export function logRequest(
  names: RequestNames | undefined,
  method: string,
  path: string,
  status: number,
  durationMs: number,
  aborted: boolean,
): void {
  if (!logger.isLevelEnabled('info')) return;
  destination.write(
    `{"level":30,"time":"${isoTime()}","requestId":"${names?.requestId ?? ''}",` +
      `${field('tenantId', names?.tenantId)}${field('subject', names?.subject)}${field('human', names?.human)}` +
      `"method":"${method}","path":${quoted(path)},"status":${status},"durationMs":${durationMs}` +
      `${aborted ? ',"aborted":true' : ''},"msg":"request"}\n`,
  );
}

function field(name: string, value: string | undefined): string {
  return value === undefined ? '' : `"${name}":${quoted(value)},`;
}

/** What ids and most paths are made of: nothing that JSON escapes. */
const PLAIN = /^[\w:./-]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
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
