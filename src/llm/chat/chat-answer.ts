import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply } from 'fastify';
import { Fault } from '../../platform/errors/index.js';
import { renderError } from '../../platform/http/index.js';
import type { ProviderFailure } from '../providers/chat-provider.js';

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

/** A fresh object of what hooks and guards have set: rate limit, request id, CORS. */
export function headersSetSoFar(reply: FastifyReply): OutgoingHttpHeaders {
  return reply.getHeaders() as OutgoingHttpHeaders;
}

export function shuttingDown(): Fault {
  return new Fault('unavailable', 'The server is shutting down.', { code: 'server_shutting_down' });
}

/** A stream's last event where it failed: OpenAI's clients throw it as an error. */
export function renderErrorEvent({ error }: ProviderFailure): string {
  const body = error instanceof Fault ? renderError('openai', error, '') : error.body;
  return `data: ${JSON.stringify({ error: (body as { readonly error: unknown }).error })}\n\n`;
}
