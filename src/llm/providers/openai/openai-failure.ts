import type { IncomingHttpHeaders } from 'node:http';
import { Fault } from '../../../platform/errors/index.js';
import type { OutboundError } from '../../../platform/outbound/index.js';
import { isObject } from '../requests/chat-request.js';
import type { ProviderFailure } from '../provider.js';

/** A call that got no answer, or not the whole of one. */
export function failureOfTransport(error: OutboundError): ProviderFailure {
  switch (error.reason) {
    case 'forbidden':
    case 'connect':
      return {
        outcome: 'UPSTREAM_ERROR',
        error: new Fault('upstream_failed', 'The model provider cannot be reached.', {
          code: 'upstream_unreachable',
          cause: error,
        }),
      };
    case 'timeout':
      return {
        outcome: 'UPSTREAM_TIMEOUT',
        error: new Fault('upstream_timeout', 'The model provider did not answer in time.', { cause: error }),
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

/**
 * An answer with an error status.
 *
 * What the provider says of the caller's request goes to the caller with the same status. What it says of our credential
 * (401, 403) does not: the caller can't mend it, and providers quote a part of the key.
 */
export function failureOfStatus(
  status: number,
  headers: IncomingHttpHeaders,
  body: string,
  secret: string | undefined,
): ProviderFailure {
  if (status === 401 || status === 403) {
    return {
      outcome: 'UPSTREAM_ERROR',
      error: new Fault('upstream_failed', "The model provider refused this service's credential.", {
        code: 'provider_authentication_failed',
        cause: new Error(`The provider answered ${status}.`),
      }),
    };
  }
  if (status < 400) return brokenAnswer(`The model provider answered with the unexpected status ${status}.`);
  return refusal(status, headers, readError(body), secret);
}

/** An error that came with status 200, in place of an answer; null: the answer is one. */
export function failureInAnswer(
  answer: Readonly<Record<string, unknown>>,
  secret: string | undefined,
): ProviderFailure | null {
  if (Array.isArray(answer['choices'])) return null;
  const { error, code, message } = answer;
  const isError = (error !== undefined && error !== null) || (typeof message === 'string' && statusOf(code) !== null);
  if (!isError) return null;
  const said = errorIn(answer);
  const status = statusOf(said.code) ?? (said.type === 'invalid_request_error' ? 400 : 502);
  // What it says of our credential is not the caller's to know.
  return status === 401 || status === 403 ? failureOfStatus(status, {}, '', secret) : refusal(status, {}, said, secret);
}

/** A status that an error names as its code. */
function statusOf(code: unknown): number | null {
  const status = Number(code);
  return Number.isInteger(status) && status >= 400 && status <= 599 ? status : null;
}

function refusal(
  status: number,
  headers: IncomingHttpHeaders,
  said: SaidError | null,
  secret: string | undefined,
): ProviderFailure {
  const text = said?.message ?? `The model provider answered with status ${status}.`;
  const message = secret === undefined ? text : text.replaceAll(secret, '[redacted]');
  const type = said?.type ?? typeOfStatus(status);
  const retryAfter = headers['retry-after'];
  return {
    outcome: 'UPSTREAM_ERROR',
    error: {
      status,
      headers: retryAfter !== undefined && (status === 429 || status === 503) ? { 'retry-after': retryAfter } : {},
      body: { type, message, error: { message, type, param: said?.param ?? null, code: said?.code ?? null } },
    },
  };
}

interface SaidError {
  readonly message: string | null;
  readonly type: string | null;
  readonly param: string | null;
  readonly code: string | null;
}

/** A longer text is no message, and HTML never is. */
const MAX_MESSAGE_LENGTH = 1_000;

function readError(body: string): SaidError | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    const text = body.trim();
    return text === '' || text.startsWith('<') || text.length > MAX_MESSAGE_LENGTH ? null : says(text);
  }
  const first: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  return isObject(first) ? errorIn(first) : null;
}

/**
 * What an error says: `{"error":{…}}` (OpenAI), `{"error":"…"}`, `{"message":"…"}`, `{"detail":"…"}` and
 * `{"detail":[{"msg":"…","loc":[…]}]}` (FastAPI), `{"errors":[…]}` (others that are compatible up to here).
 */
function errorIn(answer: Readonly<Record<string, unknown>>): SaidError {
  const { error, detail, errors } = answer;
  for (const one of [error, detail]) if (typeof one === 'string' && one !== '') return says(one);
  const [first] = [detail, errors].filter(Array.isArray).flat() as readonly unknown[];
  if (typeof first === 'string') return says(first);
  const fields = isObject(error) ? error : isObject(first) ? first : answer;
  const { loc } = fields;
  return {
    message: textOf(fields['message']) ?? textOf(fields['msg']),
    type: textOf(fields['type']),
    param: textOf(fields['param']) ?? (Array.isArray(loc) ? loc.filter((step) => step !== 'body').join('.') : null),
    code: textOf(fields['code']),
  };
}

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
