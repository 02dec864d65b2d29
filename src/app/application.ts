import type { IncomingMessage } from 'node:http';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest, RouteOptions, onRequestHookHandler } from 'fastify';
import type { Settings } from '../platform/config/index.js';
import { invalidField, type Fault } from '../platform/errors/index.js';
import { Database, Revocations } from '../platform/database/index.js';
import { requestIdOf, runWithRequestContext, type RequestContext } from '../platform/context/index.js';
import {
  Dialects,
  Drain,
  finalStatusOf,
  isLingering,
  keepBackExpectedBodies,
  letGoOfUnreadBody,
  loggedPath,
  PacedRefusals,
  READ_AHEAD_BYTES,
  RequestBodies,
  sendFault,
} from '../platform/http/index.js';
import { Jobs } from '../platform/jobs/index.js';
import { NestLogger, logRequest } from '../platform/logging/index.js';
import { Metrics } from '../platform/metrics/index.js';
import { Tracing } from '../platform/tracing/index.js';
import { BrowserSignIn } from '../signin/index.js';
import { serveSites } from './static-site.js';
import { watch } from './watched.js';
import { answerCors } from './cors.js';
import { refuseConnect, refuseConnection, UnreadableRequest } from './client-errors.js';
import { AppModule, type ModeParts } from './app.module.js';
import { boundConnections } from './connections.js';
import { dashboardSite, leadInvitations } from './dashboard.js';
import { serveDocumentation } from './documentation.js';
import { writeLargeAnswersInSteps } from './large-answers.js';
import { GUIDE } from './guide.js';

/**
 * Builds the service, ready to listen: modules wired, database checked, revocations heard.
 *
 * @throws Error with one plain sentence where the database or the wiring does not hold what it must.
 */
export async function createApplication(settings: Settings, parts: ModeParts): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    logger: false,
    skipMiddie: true,
    forceCloseConnections: 'idle',
    requestTimeout: settings.totalTimeoutMs,
    routerOptions: { maxParamLength: 512, ignoreTrailingSlash: true },
    frameworkErrors: refuseBeforeHooks,
    clientErrorHandler: (error, socket) => refuseConnection(error, socket, adapter.getInstance().dialects),
    // The caller's address, for what is counted and audited: X-Forwarded-For only from proxies that the operator named.
    trustProxy: settings.trustedProxies.length > 0 ? [...settings.trustedProxies] : false,
    // A request without `Host` is refused below, in its surface's words; Node's own answer has none.
    http: {
      headersTimeout: settings.headerTimeoutMs,
      connectionsCheckingInterval: 1000,
      requireHostHeader: false,
      highWaterMark: READ_AHEAD_BYTES,
    },
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.register(settings, parts), adapter, {
    logger: new NestLogger(),
    bodyParser: false,
    abortOnError: false,
  });
  try {
    prepareHttp(app);
    boundConnections(app.getHttpServer(), settings.maxConnections, app.get(Metrics));
    if (settings.documentation) serveDocumentation(app);
    if (settings.dashboard) leadInvitations(app);
    const dashboard = settings.dashboard ? [dashboardSite(app.get<BrowserSignIn | null>(BrowserSignIn))] : [];
    await serveSites(app, [...(settings.documentation ? [GUIDE] : []), ...dashboard]);
    await app.get(Database).assertConfined();
    await app.get(Revocations).start();
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
    return app;
  } catch (error) {
    await app.close().catch(() => undefined);
    throw error;
  }
}

/** What every request passes before it reaches a guard. */
function prepareHttp(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  const drain = app.get(Drain);
  const metrics = app.get(Metrics);
  const tracing = app.get(Tracing);
  const bodies = app.get(RequestBodies);
  watch(app, metrics);

  // Bodies stay unread until the guards have let a request through: handlers read their own.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(null));

  const database = app.get(Database);
  fastify.decorate('bodies', bodies);
  fastify.decorate('refusals', app.get<PacedRefusals>(PacedRefusals));
  fastify.decorate('shareOwnerOf', (tenantId: string) => database.ownerOf(tenantId));
  fastify.decorateRequest('bodyRoom', null);
  fastify.decorate('dialects', app.get<Dialects>(Dialects));
  fastify.decorateRequest('context', undefined);
  fastify.decorateRequest('routePath', undefined);
  fastify.decorateRequest('dialect', undefined);
  fastify.decorateRequest('spellings', undefined);
  fastify.decorateRequest('principal', null);
  fastify.decorateRequest('recognisedKey', null);
  fastify.decorateRequest('refusal', null);
  fastify.decorateRequest('judgedAtMs', 0);
  fastify.decorateRequest('judgeAgain', null);

  fastify.addHook('onListen', (done) => {
    app.get(Jobs).start();
    done();
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    if (isLingering(request.raw.socket)) {
      request.raw.socket.destroy();
      return;
    }
    const context: RequestContext = { requestId: requestIdOf(request.headers), address: request.ip };
    request.context = context;
    tracing.begin(context, request.headers, request.method);
    reply.header('x-request-id', context.requestId);
    reply.header('x-content-type-options', 'nosniff');
    if (drain.isDraining) reply.header('connection', 'close');
    drain.requestOpened();
    reply.raw.once('close', () => {
      drain.requestClosed();
      request.bodyRoom?.release();
      context.leaveLine?.();
      letGoOfUnreadBody(request);
      record(metrics, tracing, request, reply);
    });
    runWithRequestContext(context, () => {
      const fault = faultOfHead(request.raw);
      if (fault === null) return done();
      // Such a client's next request can't be trusted either.
      reply.header('connection', 'close');
      sendFault(request, reply, fault);
    });
  });
  keepBackExpectedBodies(fastify.server);
  // Node answers an unknown expectation with an empty body; ours says what is wrong.
  fastify.server.on('checkExpectation', (request, response) => fastify.server.emit('request', request, response));

  // Left to itself Node closes the connection without a word.
  fastify.server.on('connect', refuseConnect);

  answerCors(fastify);
  writeLargeAnswersInSteps(fastify);
  fastify.addHook('onRoute', nameRoute);
}

/** Each route says its own path: the framework's `routeOptions` would be made anew, twelve fields, for each request. */
function nameRoute(route: RouteOptions): void {
  const { url } = route;
  const name: onRequestHookHandler = (request, _reply, done) => {
    request.routePath = url;
    done();
  };
  route.onRequest = [name, route.onRequest ?? []].flat();
}

/** The fault in a request's head that makes any route refuse it; null: the head is fine. */
function faultOfHead({ rawHeaders, headers, httpVersion }: IncomingMessage): Fault | null {
  const hosts = countOf(rawHeaders, 'host');
  // We, a proxy before us and a log could each believe another one.
  if (hosts > 1) return invalidField('host', 'is sent twice; send one Host header');
  if (hosts === 0 && httpVersion === '1.1') return invalidField('host', 'is missing; HTTP/1.1 needs it');
  const { expect } = headers;
  if (expect === undefined || /^100-continue$/i.test(expect)) return null;
  return new UnreadableRequest(417, 'expect: must be 100-continue, or absent.');
}

function countOf(rawHeaders: readonly string[], name: string): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at];
    if (header !== undefined && header.length === name.length && header.toLowerCase() === name) count += 1;
  }
  return count;
}

/** A malformed address is refused before any hook runs: what hooks set on every answer is set here. */
function refuseBeforeHooks(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  request.context = { requestId: requestIdOf(request.headers), address: request.ip };
  reply.header('x-request-id', request.context.requestId);
  reply.header('access-control-allow-origin', '*');
  sendFault(request, reply, error);
}

/** One line and one observation a request, once its answer is over: ids, route, status and time, nothing of its content. */
function record(metrics: Metrics, tracing: Tracing, request: FastifyRequest, reply: FastifyReply): void {
  // Without the hook's path where an answer came before it (a preflight), or no route was reached.
  const route = request.routePath ?? request.routeOptions.url ?? 'unknown';
  const seconds = reply.elapsedTime / 1000;
  const statusCode = finalStatusOf(reply.raw);
  metrics.requests.observe(route, statusCode, seconds);
  const aborted = !reply.raw.writableFinished;
  if (request.context !== undefined)
    tracing.end(request.context, { method: request.method, route, status: statusCode, aborted });
  const { url } = request;
  // A route's own path holds nothing of the caller's.
  const path = url === route ? url : loggedPath(url);
  const durationMs = Math.round(seconds * 1e6) / 1000;
  logRequest(request.context, request.method, path, statusCode, durationMs, aborted);
}
