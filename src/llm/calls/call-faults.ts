import { Fault } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import type { ProviderFailure } from '../providers/provider.js';

export function shuttingDown(): Fault {
  return new Fault('unavailable', 'The server is shutting down.', { code: 'server_shutting_down' });
}

export function asFault(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault('internal', 'An internal error occurred.', { cause: error });
}

/** The same failure, and OpenAI's clients are told not to try again by themselves. */
export function withoutRetry(failure: ProviderFailure): ProviderFailure {
  const { error } = failure;
  const told =
    error instanceof Fault
      ? error.withoutRetry()
      : { ...error, headers: { ...error.headers, 'x-should-retry': 'false' } };
  return { ...failure, error: told };
}

/** A provider's message may quote the prompt: only what it said without that is logged. */
export function logFailure(provider: string, { outcome, error, said }: ProviderFailure): void {
  const detail =
    error instanceof Fault ? detailOf(error) : { status: error.status, code: loggedCode(error.body.error) };
  logger.warn({ provider, outcome, ...detail, ...(said === undefined ? {} : { said }) }, 'A provider failed a call.');
}

function detailOf({ kind, code, message, cause }: Fault): object {
  const reason = cause instanceof Error ? `${message} (${cause.message})` : message;
  return { kind, ...(code === undefined ? {} : { code }), reason };
}

/** Servers put sentences there too, and these may quote the prompt. */
function loggedCode({ code }: { readonly code: string | null }): string | null {
  return code !== null && /^[\w.-]{1,48}$/.test(code) ? code : null;
}
