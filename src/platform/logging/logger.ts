import { pino, type Logger } from 'pino';
import { currentRequestContext } from '../context/index.js';

/**
 * The service's structured log, one JSON object a line. Every line of a request carries its id, tenant and subject.
 *
 * Callers log ids and counts, never keys, tokens, prompts, headers or bodies. The redaction only catches mistakes.
 */
const REDACTED = [
  'authorization',
  'headers',
  'body',
  'apiKey',
  'key',
  'secret',
  'token',
  'password',
  'messages',
  'prompt',
];
const REDACTED_PATHS = [...REDACTED.flatMap((name) => [name, `*.${name}`]), '["x-api-key"]', '*["x-api-key"]'];

export const logger: Logger = pino(
  {
    level: 'info',
    base: null,
    redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
    mixin: () => {
      const context = currentRequestContext();
      return context === undefined
        ? {}
        : {
            requestId: context.requestId,
            traceId: context.traceId,
            tenantId: context.tenantId,
            subject: context.subject,
            human: context.human,
          };
    },
    serializers: { err: describeError, error: describeError },
    timestamp: pino.stdTimeFunctions.isoTime,
  },
  pino.destination({ dest: 1, sync: true }),
);

/** Name, message, code, stack and causes. An error's other properties are left out: drivers put whole requests into theirs. */
function describeError(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { type: typeof error };
  return {
    type: error.name,
    message: error.message,
    ...codeOf(error),
    stack: error.stack,
    ...(error.cause !== undefined && depth < 3 ? { cause: describeError(error.cause, depth + 1) } : {}),
  };
}

/** A fault has the property whether it has a code or not. */
function codeOf(error: Error): { readonly code?: string } {
  if (!('code' in error)) return {};
  const { code } = error;
  return typeof code === 'string' || typeof code === 'number' ? { code: String(code) } : {};
}
