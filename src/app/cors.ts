import type { FastifyInstance } from 'fastify';

const EXPOSED_HEADERS = [
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
  'RateLimit-Policy',
  'RateLimit',
  'Retry-After',
  'x-request-id',
  'x-should-retry',
  'x-gatehouse-idempotent-replay',
  'x-gatehouse-provider',
  'x-gatehouse-model',
  'x-gatehouse-attempts',
  'x-gatehouse-overhead-ms',
  'x-gatehouse-token-jti',
].join(', ');
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const PREFLIGHT_MAX_AGE_SECONDS = '600';

/**
 * Any origin may call, without cookies: the service sets no cookies, and rights depend on the credential that the page sends.
 * OPTIONS is answered here, before authentication and counting, since a preflight carries no credential. (The framework's
 * plugin would also claim every OPTIONS path as a route of its own.)
 */
export function answerCors(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    // Development signs people in here without a credential: another page may neither ask nor read the answer.
    if (request.url.startsWith('/dashboard/development/')) {
      done();
      return;
    }
    // Only browser pages send Origin; other clients do not need these headers.
    if (request.headers.origin === undefined && request.method !== 'OPTIONS') {
      done();
      return;
    }
    reply.header('access-control-allow-origin', '*');
    if (request.method !== 'OPTIONS') {
      reply.header('access-control-expose-headers', EXPOSED_HEADERS);
      done();
      return;
    }
    const wanted = request.headers['access-control-request-headers'];
    if (wanted !== undefined) reply.header('access-control-allow-headers', wanted);
    void reply
      .code(204)
      .header('access-control-allow-methods', METHODS)
      .header('access-control-max-age', PREFLIGHT_MAX_AGE_SECONDS)
      .header('vary', 'access-control-request-headers')
      .send();
  });
}
