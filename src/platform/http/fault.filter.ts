import { Catch, HttpException, NotFoundException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { requestIdOf } from '../context/index.js';
import { Fault, isTokenJudged, type FaultKind } from '../errors/index.js';
import { logger } from '../logging/index.js';
import { endedAs } from './ended-as.js';
import { closeLingering, isLingering } from './lingering-close.js';
import { loggedPath, pathOf } from './logged-path.js';

/**
 * Turns every error into an answer, in the dialect of the controller or else of the path's owner. A fault's message is public;
 * any other error is logged and answered with a fixed text, so that no internals leak.
 */
@Catch()
export class FaultFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    sendFault(http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>(), error);
  }
}

/** Sends an error as the reply. A reply that has already begun is cut off, since it can't carry an error any more. */
export function sendFault(request: FastifyRequest, reply: FastifyReply, error: unknown): void {
  const fault = asSpelled(toFault(error, request), request);
  if (fault.status >= 500) logFault(fault, error, loggedPath(request.url));
  if (reply.sent || reply.raw.headersSent) {
    endedAs(reply.raw, fault.status);
    reply.raw.destroy();
    return;
  }
  if (fault.status >= 500) send(request, reply, fault);
  else request.server.refusals.answer(request, reply, fault.status, () => send(request, reply, fault));
}

function send(request: FastifyRequest, reply: FastifyReply, fault: Fault): void {
  if (fault.retryAfterSeconds !== undefined)
    reply.header('retry-after', String(Math.max(1, Math.ceil(fault.retryAfterSeconds))));
  if (fault.shouldRetry === false) reply.header('x-should-retry', 'false');
  if (fault.kind === 'unauthenticated') reply.header('www-authenticate', challengeTo(fault));
  if (fault.kind === 'payload_too_large') reply.header('connection', 'close');
  // Late bytes of a body that stopped would be read as the next request.
  letGoOfBody(request, reply, fault.code === 'body_timeout');
  // A request that reached no controller is answered in the dialect of the prefix's owner.
  const dialect = request.dialect ?? request.server.dialects.ofPath(request.url);
  const requestId = request.context?.requestId ?? requestIdOf(request.headers);
  void reply
    .code(fault.status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(dialect.renderError(fault, requestId)));
}

/** Another server's failures, which any tenant has by its own provider. */
const OTHERS_FAILURES: ReadonlySet<FaultKind> = new Set<FaultKind>(['upstream_failed', 'upstream_timeout']);

/** Where another server failed, or a dependency is away, the log line names what it said: a stack would add nothing. */
function logFault({ kind, message, cause }: Fault, error: unknown, url: string): void {
  const isOthers = OTHERS_FAILURES.has(kind);
  if (!isOthers && kind !== 'unavailable') return logger.error({ err: cause ?? error, kind, url }, message);
  const { message: reason, code } = (cause ?? {}) as { message?: unknown; code?: unknown };
  const line = { kind, url, ...(cause === undefined ? {} : { reason, code }) };
  if (isOthers) logger.warn(line, message);
  else logger.error(line, message);
}

/** RFC 6750, section 3: no error code without a token that could be judged. */
function challengeTo({ code }: Fault): string {
  return isTokenJudged(code) ? 'Bearer error="invalid_token"' : 'Bearer';
}

/** Bodies up to this size are read and thrown away, so that the connection can be used again. */
const DRAINED_BODY_BYTES = 64 * 1024;
/** Time for the caller to read the answer before the connection is closed. */
const LAST_WORDS_MS = 500;

/** A body may be some times the limit on bodies, and its caller gets the answer. */
const KNOWN_CALLERS = { mostMs: 5_000, mostBytes: 64 * 1024 * 1024 };
const STRANGERS = { mostMs: 1_000, mostBytes: 1024 * 1024 };

/**
 * The unread rest of a body would have to be drained before the next request, and the caller could go on sending for ever. So
 * the connection ends soon after the answer, unless the caller is known and the body is small.
 */
function letGoOfBody(request: FastifyRequest, reply: FastifyReply, isSilent: boolean): void {
  if (!isSilent && !isBodyAwaited(request)) return;
  if (!isSilent && !isLarge(request)) {
    reply.raw.once('finish', () => closeSoon(request));
    return;
  }
  reply.header('connection', 'close');
  closeLingering(request.raw, (request.judgeAgain ?? null) === null ? STRANGERS : KNOWN_CALLERS);
}

/** For answers of public routes that read no body and do not fail. */
export function letGoOfUnreadBody(request: FastifyRequest): void {
  if (isBodyAwaited(request) && !isLingering(request.raw.socket)) closeSoon(request);
}

function isBodyAwaited(request: FastifyRequest): boolean {
  const { raw, judgeAgain } = request;
  if (raw.complete) return false;
  if (raw.headers['content-length'] === undefined && raw.headers['transfer-encoding'] === undefined) return false;
  return (judgeAgain ?? null) === null || isLarge(request);
}

function isLarge({ raw }: FastifyRequest): boolean {
  const length = raw.headers['content-length'];
  return length === undefined || Number(length) > DRAINED_BODY_BYTES;
}

/** A small body may have arrived with the request's head and be read only after the answer; then the connection stays. */
function closeSoon(request: FastifyRequest): void {
  const { raw } = request;
  setTimeout(() => {
    if (!raw.complete || isLarge(request)) raw.socket.destroy();
  }, LAST_WORDS_MS).unref();
}

/** Services name fields as the schema does; the answer uses the caller's spelling. */
function asSpelled(fault: Fault, { spellings }: FastifyRequest): Fault {
  if (spellings === undefined || fault.fields.every(({ field }) => (spellings.get(field) ?? field) === field))
    return fault;
  const fields = fault.fields.map(({ field, reason }) => ({ field: spellings.get(field) ?? field, reason }));
  const message = fields.map(({ field, reason }) => `${field}: ${reason}`).join('; ');
  return new Fault(fault.kind, message, {
    fields,
    ...(fault.code === undefined ? {} : { code: fault.code }),
    ...(fault.cause === undefined ? {} : { cause: fault.cause }),
  });
}

const KIND_BY_STATUS: Readonly<Record<number, FaultKind>> = {
  400: 'invalid_input',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'invalid_input',
  413: 'payload_too_large',
  414: 'invalid_input',
  415: 'unsupported_media_type',
  431: 'invalid_input',
  503: 'unavailable',
};

function toFault(error: unknown, { method, url }: FastifyRequest): Fault {
  if (error instanceof Fault) return error;
  // A target that is not a path, as in `OPTIONS *`, reaches no controller.
  if (error instanceof NotFoundException)
    return new Fault('not_found', `No route matches ${method} ${pathOf(url)}. /openapi.json lists the routes.`);
  // The framework's own refusals (a malformed URL, an unknown path) tell nothing internal.
  const status =
    error instanceof HttpException
      ? error.getStatus()
      : error instanceof Error && 'statusCode' in error && 'code' in error && String(error.code).startsWith('FST_')
        ? Number(error.statusCode)
        : 500;
  if (status === 415) {
    return new Fault('unsupported_media_type', 'content-type: must be application/json.', {
      fields: [{ field: 'content-type', reason: 'must be application/json' }],
    });
  }
  if (status === 412) {
    return new Fault('invalid_input', 'The condition in if-match or if-unmodified-since does not hold; leave it out.');
  }
  const kind = KIND_BY_STATUS[status];
  if (kind === undefined || kind === 'unavailable')
    return new Fault('internal', 'An internal error occurred.', { cause: error });
  return new Fault(kind, error instanceof Error ? error.message : 'The request was refused.');
}
