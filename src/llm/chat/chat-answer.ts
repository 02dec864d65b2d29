import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply } from 'fastify';
import { Fault } from '../../platform/errors/index.js';
import { OPENAI_DIALECT } from '../../platform/http/index.js';
import { logger } from '../../platform/logging/index.js';
import type { AnswerHeaders, ProviderFailure } from '../providers/chat-provider.js';

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

/** A fresh object of what hooks and guards have set: rate limit, request id, CORS. */
export function headersSetSoFar(reply: FastifyReply): OutgoingHttpHeaders {
  return reply.getHeaders() as OutgoingHttpHeaders;
}

/** A whole answer, status 200. */
export function writeJson(reply: FastifyReply, headers: AnswerHeaders, body: Buffer): void {
  const sent = headersSetSoFar(reply);
  Object.assign(sent, headers);
  sent['content-length'] = body.length;
  reply.hijack();
  reply.raw.writeHead(200, sent);
  reply.raw.end(body);
}

export function shuttingDown(): Fault {
  return new Fault('unavailable', 'The server is shutting down.', { code: 'server_shutting_down' });
}

/** A stream's last event where it failed: OpenAI's clients throw it as an error. */
export function renderErrorEvent({ error }: ProviderFailure): string {
  const body = error instanceof Fault ? OPENAI_DIALECT.renderError(error, '') : error.body;
  return `data: ${JSON.stringify({ error: (body as { readonly error: unknown }).error })}\n\n`;
}

/** A provider's message may quote the prompt: its status and code are enough. */
export function logFailure(provider: string, { outcome, error }: ProviderFailure): void {
  const detail = error instanceof Fault ? { err: error } : { status: error.status, code: error.body.error.code };
  logger.warn({ provider, outcome, ...detail }, 'A provider failed a chat completion.');
}
