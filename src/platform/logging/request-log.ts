import { pino } from 'pino';
import { logger } from './logger.js';

/** Who a request's line names, by ids. */
interface RequestNames {
  readonly requestId: string;
  readonly tenantId?: string;
  readonly subject?: string;
  /** For whom the subject acted: a keyed hash. */
  readonly human?: string;
  /** Of the trace that the request belongs to. */
  readonly traceId?: string | undefined;
}

const FLUSH_EVERY_MS = 500;
const FLUSH_LENGTH = 32_768;

const destination = pino.destination({ dest: 1, sync: false });

/**
 * Lines that are not written yet: one write for each would cost the hot path a system call. They are gathered here, since the
 * destination copies all that it holds for each line that it gets: up to 32 KiB, a third of what a call allocated.
 */
let lines: string[] = [];
let length = 0;
let flushing: NodeJS.Timeout | null = null;

function write(line: string): void {
  lines.push(line);
  length += line.length;
  if (length >= FLUSH_LENGTH) flush();
  else flushing ??= setTimeout(flush, FLUSH_EVERY_MS).unref();
}

function flush(): void {
  if (flushing !== null) clearTimeout(flushing);
  flushing = null;
  if (lines.length === 0) return;
  destination.write(lines.join(''));
  lines = [];
  length = 0;
}

/**
 * The one line that every request leaves in the log: ids, path, status and time, without its content. It has known fields
 * alone, so that nothing has to be redacted. A crash of the process loses at most its last half second, never an error's
 * line.
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
  write(
    `{"level":30,"time":"${isoTime()}","requestId":"${names?.requestId ?? ''}",` +
      `${field('traceId', names?.traceId)}${field('tenantId', names?.tenantId)}${field('subject', names?.subject)}${field('human', names?.human)}` +
      `"method":"${method}","path":${quoted(path)},"status":${status},"durationMs":${durationMs}` +
      `${aborted ? ',"aborted":true' : ''},"msg":"request"}\n`,
  );
}

/** A call of a model, in ids, names and numbers: nothing of what was asked or answered. */
export interface LoggedCall {
  readonly requestId: string;
  readonly traceId: string | undefined;
  readonly tenantId: string;
  readonly subject: string;
  readonly usageRecordId: string;
  readonly operation: string;
  readonly route: string | null;
  readonly provider: string;
  readonly model: string;
  readonly streamed: boolean;
  readonly outcome: string;
  /** The provider's; null: it did not answer. */
  readonly status: number | null;
  readonly attempts: number;
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  readonly estimated: boolean;
  /** Null: the model has no known price. */
  readonly costUsd: number | null;
  readonly durationMs: number;
  /** Null: nothing came. */
  readonly firstByteMs: number | null;
}

/** A model's name comes from the caller. */
const MOST_OF_NAME = 128;

/** The one line that every call of a model leaves, once it is settled. */
export function logCall(call: LoggedCall): void {
  if (!logger.isLevelEnabled('info')) return;
  write(
    `{"level":30,"time":"${isoTime()}","requestId":"${call.requestId}",${field('traceId', call.traceId)}` +
      `${field('tenantId', call.tenantId)}${field('subject', call.subject)}"usageRecordId":"${call.usageRecordId}",` +
      `"operation":"${call.operation}",${field('route', call.route ?? undefined)}` +
      `${field('provider', call.provider)}${field('model', call.model.slice(0, MOST_OF_NAME))}"streamed":${call.streamed},` +
      `"outcome":"${call.outcome}","providerStatus":${call.status},"attempts":${call.attempts},` +
      `"inputTokens":${call.inputTokens},"cachedInputTokens":${call.cachedInputTokens},` +
      `"outputTokens":${call.outputTokens},"reasoningTokens":${call.reasoningTokens},"estimated":${call.estimated},` +
      `"costUsd":${call.costUsd},"durationMs":${call.durationMs},"firstByteMs":${call.firstByteMs},"msg":"call"}\n`,
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
  flush();
  destination.flushSync();
}
