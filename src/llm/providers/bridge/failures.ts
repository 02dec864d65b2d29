import type { IncomingHttpHeaders } from 'node:http';
import { Fault, invalidField } from '../../../platform/errors/index.js';
import { parseBounded } from '../../../platform/json/index.js';
import { OutboundError } from '../../../platform/outbound/index.js';
import {
  brokenAnswer,
  failureInAnswer,
  failureOfStatus,
  failureOfTransport,
  type Asked,
} from '../openai/openai-failure.js';
import type { ProviderFailure } from '../provider.js';
import { isObject } from '../requests/chat-request.js';

/** An error answer in OpenAI's words, which are then judged as those of every provider. */
export interface SaidError {
  readonly status: number;
  readonly message: string | null;
  readonly type: string | null;
  readonly retryAfter: string | null;
}

/** Thrown through a package by what it calls of ours; it knows the failure that it stands for. */
export class FailedExchange extends Error {
  constructor(readonly failure: ProviderFailure) {
    super('The exchange with the provider failed.');
    this.name = 'FailedExchange';
  }
}

/** A provider's answer with an error status. */
export function failureOfAnswer(said: SaidError, asked: Asked): ProviderFailure {
  const { status, message, type, retryAfter } = said;
  const headers: IncomingHttpHeaders = retryAfter === null ? {} : { 'retry-after': retryAfter };
  const body = message === null ? '' : JSON.stringify({ error: { message, type } });
  return failureOfStatus(status, headers, Buffer.from(body), asked);
}

/**
 * What a package threw. Its errors hold the request and the answer, so that none of them is kept as a cause: a log would
 * have the prompt.
 */
export function failureOf(error: unknown, asked: Asked, wasSent: boolean): ProviderFailure {
  for (const cause of causesOf(error)) {
    if (cause instanceof FailedExchange) return cause.failure;
    if (cause instanceof OutboundError) return failureOfTransport(cause);
    if (cause instanceof Fault) return { outcome: 'NOT_SENT', error: cause };
  }
  const name = error instanceof Error ? error.name : 'unknown';
  if (!wasSent) return { outcome: 'NOT_SENT', error: notTranslated(error, name) };
  const said = saidIn(error);
  if (said !== null && said.status !== null)
    return failureOfAnswer({ ...said, status: said.status, retryAfter: null }, asked);
  const inAnswer = said === null ? null : failureInAnswer({ error: said }, asked);
  return inAnswer ?? brokenAnswer("The model provider's answer is not what it is documented to be.", new Error(name));
}

/** Packages refuse what they can't translate by errors of these names. Their texts may quote the request. */
const UNTRANSLATABLE = new Set([
  'AI_UnsupportedFunctionalityError',
  'AI_InvalidPromptError',
  'AI_InvalidArgumentError',
  'AI_InvalidDataContentError',
]);

function notTranslated(error: unknown, name: string): Fault {
  if (UNTRANSLATABLE.has(name))
    return invalidField('messages', 'hold something that this provider does not support', 'unsupported_by_provider');
  return new Fault('internal', 'An internal error occurred.', {
    cause: new Error(`The package threw ${name}.`, name.startsWith('AI_') ? undefined : { cause: error }),
  });
}

/** An error event of a stream, or an error in place of one: `data` or `responseBody` has what the provider said. */
function saidIn(error: unknown): SaidInStream | null {
  if (!isObject(error)) return null;
  const { type, message, responseBody, statusCode } = error;
  if (typeof responseBody === 'string') {
    const body = parsed(responseBody);
    return isObject(body) && typeof body['message'] === 'string' ? readSaid({ ...body, statusCode }) : null;
  }
  // What the provider said is no `Error`; a package's own errors are, and may quote the answer.
  if (error instanceof Error) return null;
  return typeof message === 'string' ? readSaid({ type, message, statusCode }) : null;
}

interface SaidInStream {
  readonly message: string;
  readonly type: string | null;
  /** What the package takes the error's type for. */
  readonly status: number | null;
}

function readSaid({ type, message, statusCode }: Readonly<Record<string, unknown>>): SaidInStream {
  return {
    message: String(message),
    type: typeof type === 'string' ? type : null,
    status: typeof statusCode === 'number' && statusCode >= 400 ? statusCode : null,
  };
}

function parsed(text: string): unknown {
  try {
    return parseBounded(text);
  } catch {
    return undefined;
  }
}

const MOST_CAUSES = 8;

function* causesOf(error: unknown): Generator {
  let cause = error;
  for (let i = 0; i < MOST_CAUSES && cause !== undefined && cause !== null; i += 1) {
    yield cause;
    cause = (cause as { readonly cause?: unknown }).cause;
  }
}
