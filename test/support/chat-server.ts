import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { Calls } from '../../src/llm/calls/calls.service.js';
import type { ChatPrincipal } from '../../src/llm/access/chat-access.js';
import { CHAT } from '../../src/llm/chat/chat.operation.js';
import { KnownModels } from '../../src/llm/models/model-facts.js';
import { CallerRoutes } from '../../src/llm/routing/caller-routes.js';
import { ModelRouter } from '../../src/llm/routing/model-router.js';
import { PlatformProviderTenants } from '../../src/llm/routing/platform-provider-tenants.js';
import type { Tokenizer } from '../../src/llm/tokens/tokenizer.js';
import { loadSettings } from '../../src/platform/config/index.js';
import type { Fault } from '../../src/platform/errors/index.js';
import { Drain, OPENAI_DIALECT, PacedRefusals, RequestBodies, sendFault } from '../../src/platform/http/index.js';
import { Tracing } from '../../src/platform/tracing/index.js';
import { Metrics } from '../../src/platform/metrics/index.js';
import { OutboundHttp } from '../../src/platform/outbound/index.js';
import type { Admission, Reservation, Settlement } from '../../src/usage/index.js';
import type { OpenaiUpstream } from './openai-upstream.js';

export const TENANT = 'acme-a1b2c3';
export const PROVIDER_SECRET = 'sk-provider-secret-0123456789';

const PRINCIPAL: ChatPrincipal = {
  kind: 'secretKey',
  tenantId: TENANT,
  keyId: 'key_1',
  scopes: new Set(),
  requestsPerMinute: 1000,
  human: null,
};

/** Replaces the ledger's table: stores the calls it receives. */
export class LedgerBook {
  readonly reservations: Reservation[] = [];
  readonly settlements: Settlement[] = [];
  refusal: Fault | null = null;
  /** The admission's verdict; null: everything is admitted, and no limit judges it. */
  admission: Admission | null = null;
  onReserve: () => void | Promise<void> = () => undefined;

  async reserve(reservation: Reservation): Promise<Admission> {
    await this.onReserve();
    if (this.refusal !== null) throw this.refusal;
    this.reservations.push(reservation);
    return this.admission ?? { limited: false, outputTokens: reservation.reservedOutputTokens };
  }

  settle(settlement: Settlement): void {
    this.settlements.push(settlement);
  }

  /** Waits for the first settlement. */
  async settlement(): Promise<Settlement> {
    await until(() => this.settlements.length > 0);
    return this.settlements[0] as Settlement;
  }
}

export interface ChatAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** The only tenant uses the platform's provider. */
const NO_PROVIDERS = { of: () => [], now: () => Promise.resolve([]) };
const NO_ROUTES = { of: (tenantId: string) => ({ tenantId, routes: new Map() }) };

/** Every tenant has an org of its own. */
const ORGS = { ownerOf: (tenantId: string) => ({ tenantId, orgId: `org of ${tenantId}` }) };

/** Chat completions behind a real HTTP server, without the guards and the database that it has in the application. */
export class ChatServer {
  private constructor(
    private readonly server: FastifyInstance,
    private readonly outbound: OutboundHttp,
    private readonly port: number,
    readonly book: LedgerBook,
    readonly drain: Drain,
    readonly calls: Calls,
  ) {}

  static async start(
    upstream: OpenaiUpstream,
    tokenizer: Tokenizer,
    environment: Record<string, string> = {},
    routes: Pick<ModelRouter, 'routeOf'> | null = null,
  ): Promise<ChatServer> {
    const { settings } = loadSettings({
      OPENAI_BASE_URL: upstream.baseUrl,
      OPENAI_API_KEY: PROVIDER_SECRET,
      PLATFORM_PROVIDER_TENANTS: TENANT,
      GATEHOUSE_BODY_LIMIT_BYTES: '100000',
      ...environment,
    });
    const book = new LedgerBook();
    const drain = new Drain();
    const outbound = new OutboundHttp(settings);
    const known = new KnownModels(settings);
    const router = new ModelRouter(
      settings,
      outbound,
      tokenizer,
      new PlatformProviderTenants(settings),
      NO_PROVIDERS as never,
      NO_ROUTES as never,
    );
    const calls = new Calls(
      new CallerRoutes((routes ?? router) as ModelRouter),
      book as never,
      { of: () => known },
      { of: () => [] },
      tokenizer,
      drain,
      ORGS as never,
      new Metrics(),
      known,
      new Tracing(),
      settings,
    );
    const server = Fastify({ forceCloseConnections: true });
    server.decorate('bodies', new RequestBodies(settings));
    server.decorate('refusals', new PacedRefusals(settings, drain));
    server.decorateRequest('bodyRoom', null);
    server.removeAllContentTypeParsers();
    server.addContentTypeParser('*', (_request, _payload, done) => done(null));
    server.post('/v1/chat/completions', async (request, reply) => {
      request.context = { requestId: 'req_1', address: '192.0.2.1' };
      request.dialect = OPENAI_DIALECT;
      reply.header('x-ratelimit-remaining', '41');
      try {
        await calls.answer(CHAT, PRINCIPAL, request, reply);
      } catch (error) {
        sendFault(request, reply, error);
      }
      return reply;
    });
    await server.listen({ port: 0, host: '127.0.0.1' });
    return new ChatServer(server, outbound, (server.server.address() as AddressInfo).port, book, drain, calls);
  }

  async stop(): Promise<void> {
    await this.server.close();
    await this.outbound.onApplicationShutdown();
  }

  /** Sends a body and reads the whole answer. */
  async post(body: unknown, headers: Record<string, string> = {}): Promise<ChatAnswer> {
    const response = await this.open(body, headers);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: Buffer.concat(chunks).toString('utf8'),
    };
  }

  /** Sends a body and returns the answer as it begins. */
  open(body: unknown, headers: Record<string, string> = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      this.send(body, headers).on('response', resolve).on('error', reject);
    });
  }

  /** Sends a body and waits for nothing. */
  send(body: unknown, headers: Record<string, string> = {}): ClientRequest {
    const request = httpRequest({
      host: '127.0.0.1',
      port: this.port,
      path: '/v1/chat/completions',
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    });
    request.end(typeof body === 'string' ? body : JSON.stringify(body));
    return request;
  }
}

const PATIENCE_MS = 30_000;

export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('Waited in vain.');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
