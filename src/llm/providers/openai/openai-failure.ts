import type { IncomingHttpHeaders } from 'node:http';
import { Fault, type AnswerCode } from '../../../platform/errors/index.js';
import { parseBounded } from '../../../platform/json/index.js';
import type { OutboundError } from '../../../platform/outbound/index.js';
import { isObject } from '../requests/chat-request.js';
import type { ProviderRequest } from '../requests/request-fields.js';
import type { ProviderFailure } from '../provider.js';
import { holdsField } from './field-mark.js';
import { saysAnything } from './produced-text.js';
import { saidSafely } from './said-safely.js';
import { errorOfChunk } from './stream-errors.js';
import { dataOf, endOfFirstEvent, isNamedError, parseEvent } from './sse-usage-filter.js';
import { withoutSecret } from './without-secret.js';

export const MAX_ERROR_BYTES = 64 * 1024;

/** A call that got no answer, or not the whole of one. */
export function failureOfTransport(error: OutboundError): ProviderFailure {
  switch (error.reason) {
    case 'forbidden':
    case 'connect':
      return {
        outcome: 'UPSTREAM_ERROR',
        error: new Fault('upstream_failed', 'The model provider cannot be reached. Check its address, or try again.', {
          code: 'upstream_unreachable',
          cause: error,
        }),
      };
    case 'timeout':
      return {
        outcome: 'UPSTREAM_TIMEOUT',
        error: new Fault(
          'upstream_timeout',
          'The model provider did not answer in time. Ask for a shorter answer, or try again unless x-should-retry is false.',
          { cause: error },
        ),
      };
    case 'aborted':
      return {
        outcome: 'SHUTDOWN',
        error: new Fault('unavailable', 'The server is shutting down.', { code: 'server_shutting_down', cause: error }),
      };
    case 'broken':
    case 'too_large':
      return brokenAnswer('The model provider broke off its answer.', error);
  }
}

export const WITHOUT_CHOICE = 'The model provider answered without what was asked for.';
export const NO_ROOM =
  'The answer is larger than the memory that is left for large answers of one tenant; ask for less at once, or wait until others end.';

/** An answer that holds more than can be built of it while others wait. */
export function tooMuchToRead(): Fault {
  return new Fault('upstream_failed', 'The model provider answered with more than this service reads. Ask for less.', {
    code: 'upstream_broken',
  });
}

/** An answer that can't be passed on. */
export function brokenAnswer(message: string, cause?: unknown): ProviderFailure {
  return {
    outcome: 'UPSTREAM_BROKEN',
    error: new Fault('upstream_failed', message, { code: 'upstream_broken', cause }),
  };
}

/** A stream whose last event was the provider's own error, which the caller has got already. */
export const REFUSED_IN_STREAM: ProviderFailure = {
  outcome: 'UPSTREAM_ERROR',
  error: new Fault('upstream_failed', 'The model provider ended the stream with an error.', { code: 'upstream_error' }),
  told: true,
};

/** What a failure is judged by beside the answer itself. */
export interface Asked {
  readonly request: ProviderRequest;
  /** Our credential, which no message may hold. */
  readonly secret: string | undefined;
}

/**
 * An answer with an error status.
 *
 * What the provider says of the caller's request goes to the caller with the same status. What it says of our credential
 * (401, 403) does not: the caller can't mend it, and providers quote a part of the key.
 */
export function failureOfStatus(
  status: number,
  headers: IncomingHttpHeaders,
  body: Buffer,
  asked: Asked,
): ProviderFailure {
  if (status < 400 || status > 599)
    return brokenAnswer(`The model provider answered with the unexpected status ${status}.`);
  return failureOf(status, headers, readError(body.toString('utf8')), asked);
}

/** An error that came with status 200, in place of an answer; null: it is not an error. */
export function failureInAnswer(answer: Readonly<Record<string, unknown>>, asked: Asked): ProviderFailure | null {
  const { code, message } = answer;
  const error = errorOfChunk(answer);
  if (hasChoice(answer) && (error === undefined || error === null || saysAnything(answer))) return null;
  const isError = (error !== undefined && error !== null) || (typeof message === 'string' && statusOf(code) !== null);
  if (!isError) return null;
  return failureSaid(errorIn({ ...answer, error }), asked);
}

/** A whole answer without what was asked for: what it says instead. */
export function failureWithoutAnswer(answer: Readonly<Record<string, unknown>>, asked: Asked): ProviderFailure {
  const said = errorIn(answer);
  return said.message === null ? brokenAnswer(WITHOUT_CHOICE) : failureSaid(said, asked);
}

/** A stream that ended, whole or not, without anything of an answer. */
export function failureWithoutChoice(events: Buffer, asked: Asked): ProviderFailure | null {
  for (let start = 0; start < events.length;) {
    const end = endOfFirstEvent(events, start);
    const answer = parseEvent(events.subarray(start, end === -1 ? events.length : end));
    if (answer !== null && errorIn(answer).message !== null) return failureWithoutAnswer(answer, asked);
    start = end === -1 ? events.length : end;
  }
  return null;
}

/** An error that is one event of a stream: by its name, or by what it holds; null: it is something else. */
function failureInEvent(event: Buffer, asked: Asked): ProviderFailure | null {
  const answer = parseEvent(event);
  if (!isNamedError(event)) return answer === null ? null : failureInAnswer(answer, asked);
  return failureSaid(answer === null ? readError(dataOf(event)) : errorIn(answer), asked);
}

/** An error in place of an answer; null: the events begin with something else. */
export function refusalIn(events: Buffer, asked: Asked): ProviderFailure | null {
  for (let start = 0; start < events.length;) {
    const end = endOfFirstEvent(events, start);
    const event = events.subarray(start, end === -1 ? events.length : end);
    start += event.length;
    const refusal = failureInEvent(event, asked);
    if (refusal !== null) return refusal;
    if (holdsChoice(event)) return null;
  }
  return null;
}

/** Whether one of the events has a choice. Some begin with a list of none, beside what their server says of the prompt. */
export function holdsChoice(events: Buffer): boolean {
  return holdsField(events, '"choices"', '[{');
}

export function hasChoice({ choices }: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(choices) && choices.length > 0;
}

function failureSaid(said: SaidError | null, asked: Asked): ProviderFailure {
  const status = said === null ? null : (statusOf(said.code) ?? statusOfWords(said));
  return failureOf(status ?? 502, {}, said, asked);
}

function failureOf(
  status: number,
  headers: IncomingHttpHeaders,
  said: SaidError | null,
  asked: Asked,
): ProviderFailure {
  const logged = saidSafely(said?.message ?? null, asked.request, asked.secret);
  return { ...judged(status, headers, said, asked.secret, logged), ...(logged === null ? {} : { said: logged }) };
}

function judged(
  status: number,
  headers: IncomingHttpHeaders,
  said: SaidError | null,
  secret: string | undefined,
  logged: string | null,
): ProviderFailure {
  if (status === 403 && said !== null && isOfContent(said)) {
    // Such a message may quote what was flagged, and what guards our account; the log has what can be said of it.
    return refusal(status, headers, REFUSED_CONTENT, secret);
  }
  if (status === 401 || status === 403) {
    return {
      outcome: 'UPSTREAM_ERROR',
      error: new Fault(
        'upstream_failed',
        "The model provider refused this service's credential. Set another with /api/v1/llm/providers/update, or for a gateway with /api/v1/gateways/update.",
        {
          code: 'provider_authentication_failed',
          cause: new Error(`The provider answered ${status}${logged === null ? '.' : `: ${logged}`}`),
        },
      ),
    };
  }
  return refusal(status, headers, said, secret);
}

const OF_CONTENT =
  /moderat|flagged|content[ _-]?(?:policy|filter|safety|management)|safety|guardrail|prohibited|harmful|unsafe|inappropriate/i;
const OF_CREDENTIAL = /api[ _-]?key|credential|authenticat|unauthori[sz]ed/i;

/** Whether a 403 is about what was asked, and not about who we are. */
function isOfContent({ message, type, code }: SaidError): boolean {
  const text = [message, type, code].join('\n');
  return OF_CONTENT.test(text) && !OF_CREDENTIAL.test(text);
}

/** A status that an error names as its code. */
function statusOf(code: unknown): number | null {
  const status = Number(code);
  return Number.isInteger(status) && status >= 400 && status <= 599 ? status : null;
}

/** What the codes and types of errors mean as a status, in the order in which they count. */
const STATUSES_OF_WORDS = [
  [/insufficient_quota|rate_limit|too_many_requests|exhausted/i, 429],
  [/authentication|invalid_api_key|unauthori[sz]ed/i, 401],
  [/permission/i, 403],
  [/not_found/i, 404],
  [/invalid_request|invalid_argument|bad_request|context_length/i, 400],
  [/overloaded|unavailable/i, 503],
] as const;

/** The status of an error that names none. */
function statusOfWords({ code, type }: SaidError): number | null {
  const words = `${code}\n${type}`;
  return STATUSES_OF_WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? null;
}

function refusal(
  status: number,
  headers: IncomingHttpHeaders,
  said: SaidError | null,
  secret: string | undefined,
): ProviderFailure {
  const text = said?.message ?? `The model provider answered with status ${status}.`;
  const message = withoutSecret(text, secret);
  const type = said?.type ?? typeOfStatus(status);
  const retryAfter = headers['retry-after'];
  return {
    outcome: 'UPSTREAM_ERROR',
    error: {
      status,
      headers: retryAfter !== undefined && ASK_TO_WAIT.has(status) ? { 'retry-after': retryAfter } : {},
      body: { type, message, error: { message, type, param: said?.param ?? null, code: said?.code ?? null } },
    },
  };
}

/** 529 is Anthropic's word for an overload. */
const ASK_TO_WAIT: ReadonlySet<number> = new Set([429, 503, 529]);

interface SaidError {
  readonly message: string | null;
  readonly type: string | null;
  readonly param: string | null;
  readonly code: string | null;
}

const REFUSED_CONTENT: SaidError = {
  message: 'The model provider refused this request because of its content.',
  type: 'invalid_request_error',
  param: 'messages',
  code: 'content_refused' satisfies AnswerCode,
};

/** A longer text is not a message, and HTML never is. */
const MAX_MESSAGE_LENGTH = 1_000;

function readError(body: string): SaidError | null {
  let parsed: unknown;
  try {
    parsed = parseBounded(body.replace(/^\ufeff/, ''));
  } catch {
    const text = body.trim();
    // A piece of an object is not a message.
    return text === '' || /^[<{]/.test(text) || text.length > MAX_MESSAGE_LENGTH ? null : says(text);
  }
  const first: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  return isObject(first) ? errorIn(first) : null;
}

/**
 * What an error says: `{"error":{…}}` (OpenAI), `{"error":"…"}`, `{"message":"…"}`, `{"detail":"…"}` and
 * `{"detail":[{"msg":"…","loc":[…]}]}` (FastAPI), the same within `message` (Mistral), `{"errors":[…]}` (others that are
 * compatible up to here), `{"error_msg":"…"}` (Baidu), `{"base_resp":{"status_msg":"…"}}` (MiniMax).
 */
function errorIn(answer: Readonly<Record<string, unknown>>): SaidError {
  const { error, detail, errors, message } = answer;
  if (isObject(message)) return errorIn(message);
  for (const one of [error, detail]) if (typeof one === 'string' && one !== '') return says(one);
  const [first] = [detail, errors].filter(Array.isArray).flat() as readonly unknown[];
  if (typeof first === 'string') return says(first);
  const fields = [error, first, answer['base_resp']].find(isObject) ?? answer;
  const { loc } = fields;
  return {
    message: MESSAGES.map((name) => textOf(fields[name])).find((text) => text !== null) ?? null,
    type: textOf(fields['type']),
    param: textOf(fields['param']) ?? (Array.isArray(loc) ? loc.filter((step) => step !== 'body').join('.') : null),
    code: textOf(fields['code']),
  };
}

const MESSAGES = ['message', 'msg', 'error_msg', 'status_msg'];

function says(message: string): SaidError {
  return { message, type: null, param: null, code: null };
}

function textOf(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : null;
}

function typeOfStatus(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
