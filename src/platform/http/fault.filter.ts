import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Fault, type FaultKind } from '../errors/index.js';
import { logger } from '../logging/index.js';
import { renderError } from './dialect.js';
import { requestIdOf } from './request-context.js';

/**
 * The one place where an error becomes an answer, in the dialect of the controller that it came from. A fault's message
 * is public; anything else that was thrown is logged and answered with a fixed text, so that nothing inner leaks.
 */
@Catch()
export class FaultFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    sendFault(http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>(), error);
  }
}

/** Renders any error onto a reply; a reply that already began is cut off, since no error can be told any more. */
export function sendFault(request: FastifyRequest, reply: FastifyReply, error: unknown): void {
  const fault = toFault(error);
  if (fault.status >= 500) {
    logger.error({ err: fault.cause ?? error, kind: fault.kind, url: pathOf(request.url) }, fault.message);
  }
  if (reply.sent || reply.raw.headersSent) {
    reply.raw.destroy();
    return;
  }
  if (fault.retryAfterSeconds !== undefined)
    reply.header('retry-after', String(Math.max(1, Math.ceil(fault.retryAfterSeconds))));
  if (fault.shouldRetry === false) reply.header('x-should-retry', 'false');
  if (fault.kind === 'unauthenticated') reply.header('www-authenticate', 'Bearer');
  // What was not read of the body would have to be drained before the next request: let go of the connection instead.
  if (fault.kind === 'payload_too_large') reply.header('connection', 'close');
  void reply
    .code(fault.status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(
      JSON.stringify(
        renderError(request.dialect ?? 'platform', fault, request.context?.requestId ?? requestIdOf(request.headers)),
      ),
    );
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

function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  // The framework's own refusals (a malformed URL, an unknown path) say nothing of ours and may be told.
  const status =
    error instanceof HttpException
      ? error.getStatus()
      : error instanceof Error && 'statusCode' in error && 'code' in error && String(error.code).startsWith('FST_')
        ? Number(error.statusCode)
        : 500;
  const kind = KIND_BY_STATUS[status];
  if (kind === undefined || kind === 'unavailable')
    return new Fault('internal', 'An internal error occurred.', { cause: error });
  return new Fault(kind, error instanceof Error ? error.message : 'The request was refused.');
}

/** The query may hold anything; log lines get the path alone. */
export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}
