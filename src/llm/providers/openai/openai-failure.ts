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
  const said = readError(body);
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

/** Reads `{"error":{…}}` (OpenAI), `{"error":"…"}` and `{"message":"…"}` (others that are compatible up to here). */
function readError(body: string): SaidError | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return null;
  }
  if (!isObject(parsed)) return null;
  const { error } = parsed;
  if (typeof error === 'string') return { message: error, type: null, param: null, code: null };
  const fields = isObject(error) ? error : parsed;
  return {
    message: textOf(fields['message']),
    type: textOf(fields['type']),
    param: textOf(fields['param']),
    code: textOf(fields['code']),
  };
}

function textOf(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : null;
}

function typeOfStatus(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
