/** What an error of Postgres, of its driver or of Prisma means to a caller. */
import { Fault } from '../errors/index.js';
import { isTlsError } from './tls-refusals.js';

/**
 * SQLSTATE classes, Node's and Prisma's codes that mean "not now" rather than "not so"; a lost deadlock is one of them, a
 * statement that took too long, and a server that takes no writes since another one is about to.
 */
const CONNECTION_CODE =
  /^(?:08...|25006|53...|55P03|57014|57P..|58...|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EPIPE|EHOSTUNREACH|40001|40P01|P1001|P1002|P1008|P1017|P2024|P2028|P2034)$/;
/** What the driver says without a code, word for word: a statement's own error may quote what a caller wrote. */
const CONNECTION_MESSAGES: ReadonlySet<string> = new Set([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'timeout exceeded when trying to connect',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'Cannot use a pool after calling end on the pool',
]);

function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = postgresCode(error) ?? ('code' in error && typeof error.code === 'string' ? error.code : '');
  // A certificate that ran out meanwhile, for one.
  if (isTlsError(error)) return true;
  if (code !== '') return CONNECTION_CODE.test(code);
  if (CONNECTION_MESSAGES.has(error.message)) return true;
  return error.cause !== undefined && isConnectionError(error.cause);
}

/** The row belongs to a tenant whose own row does not exist any more. */
export function tenantIsGone(error: unknown): boolean {
  const cause = (error as { meta?: { driverAdapterError?: { cause?: DriverErrorCause } } } | null)?.meta
    ?.driverAdapterError?.cause;
  return cause?.originalCode === '23503' && /_tenant_id_fkey/.test(cause.originalMessage ?? '');
}

interface DriverErrorCause {
  readonly originalCode?: string;
  readonly originalMessage?: string;
}

/** Postgres and Node each have a list of time zones, and neither holds all of the other's. */
const UNKNOWN_ZONE = /^time zone ".*" not recognized$/s;

function isUnknownZone(error: unknown): boolean {
  if (sqlState(error) !== '22023') return false;
  const { message, meta } = error as Error & { meta?: { driverAdapterError?: { cause?: DriverErrorCause } } };
  return UNKNOWN_ZONE.test(meta?.driverAdapterError?.cause?.originalMessage ?? message);
}

/** Postgres' own code where Prisma wraps the error of a raw statement in one of its own. */
function postgresCode(error: Error): string | undefined {
  const { meta } = error as { meta?: { driverAdapterError?: { cause?: { originalCode?: unknown } } } };
  const code = meta?.driverAdapterError?.cause?.originalCode;
  return typeof code === 'string' ? code : undefined;
}

/** Whether Postgres gave a statement up since it took longer than it was allowed to. */
export function isCanceled(error: unknown): boolean {
  return sqlState(error) === '57014';
}

/** Whether Postgres gave a statement up since another transaction held a lock for longer than it was allowed to wait. */
export function isLockTimeout(error: unknown): boolean {
  return sqlState(error) === '55P03';
}

/** Whether a function was dropped between a statement's plan and its call: Postgres locks no functions. */
export function isFunctionReplaced(error: unknown): boolean {
  return sqlState(error) === 'XX000' && /^cache lookup failed for function \d+$/.test((error as Error).message);
}

function sqlState(error: unknown): string | undefined {
  const cause = error instanceof Fault ? error.cause : error;
  if (!(cause instanceof Error)) return undefined;
  return postgresCode(cause) ?? ('code' in cause && typeof cause.code === 'string' ? cause.code : undefined);
}

/** A full disk; a file that can't be written is the same to us. */
const OUT_OF_ROOM = new Set(['53100', '58030']);
const FULL_RETRY_SECONDS = 30;

/** Whether the database could not write since its disk is full. */
export const isOutOfRoom = (error: unknown): boolean => OUT_OF_ROOM.has(sqlState(error) ?? '');

/** A connection error becomes a 503, a zone that only Node knows a 400; a fault, or another error of the statement, stays. */
export function asFault(error: unknown): unknown {
  if (isUnknownZone(error)) {
    const reason = 'is not a time zone that the database knows; take another of the same clock, like Europe/Berlin';
    return new Fault('invalid_input', `timeZone: ${reason}`, { fields: [{ field: 'timeZone', reason }], cause: error });
  }
  if (error instanceof Fault || !isConnectionError(error)) return error;
  if (isOutOfRoom(error)) {
    return new Fault('unavailable', "The database's disk is full: the operator has to make room on it.", {
      retryAfterSeconds: FULL_RETRY_SECONDS,
      cause: error,
    });
  }
  const what =
    sqlState(error) === '53300'
      ? 'The database takes no more connections (max_connections)'
      : 'The database cannot be reached';
  return new Fault('unavailable', `${what}; try again shortly.`, { retryAfterSeconds: 1, cause: error });
}
