import { pino } from 'pino';
import { logger } from './logger.js';

/** Who a request's line names, by ids. */
interface RequestNames {
  readonly requestId: string;
  readonly tenantId?: string;
  readonly subject?: string;
  /** The human for whom the subject acted, as a keyed hash. */
  readonly human?: string;
  /** The id of the request's trace. */
  readonly traceId?: string | undefined;
}

const FLUSH_EVERY_MS = 500;
const FLUSH_LENGTH = 32_768;

const destination = pino.destination({ dest: 1, sync: false });

/**
 * Lines that are not written yet: a write for each would cost the hot path a system call. They are gathered here because the
 * destination copies its whole buffer, up to 32 KiB, for each line: a third of a call's allocations.
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
 * The one log line of every request: ids, path, status and time, without content. It has known fields alone, so that nothing
 * needs redaction. A crash of the process loses at most the last half second of these lines, never an error's line.
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

/** A call of a model, in ids, names and numbers; without prompts and answers. */
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
  /** The provider's status; null: it did not answer. */
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
  /** Null: no byte arrived. */
  readonly firstByteMs: number | null;
}

/** Bounded, since a model's name comes from the caller. */
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

/** The characters of ids and most paths; JSON escapes none of them. */
const PLAIN = /^[\w:./-]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

let shownAtMs = 0;
let shown = '';

/** Now, to the millisecond; requests of the same millisecond share the text. */
function isoTime(): string {
  const now = Date.now();
  if (now !== shownAtMs) {
    shownAtMs = now;
    shown = new Date(now).toISOString();
  }
  return shown;
}

/** Called before the process ends. */
export function flushRequestLog(): void {
  flush();
  destination.flushSync();
}
