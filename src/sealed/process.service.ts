import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AnonymousPrincipal, SealedTokenPrincipal } from '../identity/index.js';
import { callerBy, Calls, CHAT, type Operation, type Route } from '../llm/index.js';
import { invalidField } from '../platform/errors/index.js';
import { assertJson, parseInTurns, readCallersBody, readJson, SMALL_BODY_BYTES } from '../platform/http/index.js';
import { jsonObjectOf, parseJsonObject, type JsonObject } from '../platform/json/index.js';
import { ConversationStates } from './conversation-state.js';
import { processRequest, type ProcessRequest, type Said } from './process.dto.js';
import { ProcessSink } from './process-sink.js';
import { SealedRoutes } from './sealed-routes.js';
import { NETWORK_SERVICE, serviceOf } from './service-factories.js';
import { ServiceOrigins } from './service-origins.js';

type ProcessPrincipal = SealedTokenPrincipal | AnonymousPrincipal;

/** A chat completion that `/process` asks for. */
const PROCESS_CHAT = { ...CHAT, route: 'POST /api/v1/process' };
/** The same at another server, which can't be told how much it may produce. */
const FORWARDED_CHAT: Operation<'chat'> = {
  ...PROCESS_CHAT,
  bound: (request, facts, texts) => ({ ...PROCESS_CHAT.bound(request, facts, texts), boundless: 'service.serviceId' }),
  limitOutput: (request) => request,
};
const BEARER = /^Bearer +/i;
const TEXT_PLAIN = /^text\/plain(?:;|$)/i;

/** A service, as a request names it. */
interface Asked {
  readonly operation: Operation<'chat'>;
  readonly model: string;
  /** The engine that the answer names; null: the other server names it. */
  readonly engine: string | null;
  /** Null: the usual route of calls by this token. */
  readonly route: Route | null;
}

/** Chat completions in AIsBreaker's protocol. */
@Injectable()
export class ProcessService {
  constructor(
    private readonly calls: Calls,
    private readonly states: ConversationStates,
    private readonly origins: ServiceOrigins,
    private readonly routes: SealedRoutes,
  ) {}

  /**
   * Reads the body of a request, and writes the whole answer to its reply.
   *
   * @throws Fault before any part of the answer is sent
   */
  async process(principal: ProcessPrincipal, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const json = readJson(await bodyOf(request), processRequest);
    const { operation, model, engine, route } = await this.askedBy(principal, json.service, request);
    const { inputs, conversationState, stream } = json.request;
    const before = conversationState === null ? [] : await this.states.open(whoseOf(principal), conversationState);
    const said: Said[] = [...before, ...inputs.map(({ text }) => text)];
    const sink = new ProcessSink(reply, () => ({
      service: { serviceId: json.service.serviceId, ...(engine === null ? {} : { engine }) },
      totalMilliseconds: Math.round(reply.elapsedTime),
    }));
    await request.bodyRoom?.turn();
    const chat = operation.parse(jsonObjectOf({ model, messages: said, stream }));
    await request.bodyRoom?.turn();
    await this.calls.run(
      operation,
      callerBy(principal, request),
      chat,
      sink,
      request.bodyRoom,
      undefined,
      route ?? undefined,
    );
    await sink.read();
    sink.finish(await this.states.seal(whoseOf(principal), [...said, { role: 'assistant', content: sink.text }]));
  }

  /** @throws Fault invalid_input: the operator does not allow its address; not_found; unauthenticated; permission_denied */
  private async askedBy(
    principal: ProcessPrincipal,
    service: ProcessRequest['service'],
    { headers }: FastifyRequest,
  ): Promise<Asked> {
    const url = service.url === null ? null : this.origins.assertAllowed(service.url);
    if (service.serviceId === NETWORK_SERVICE) {
      const { forward2ServiceProps: forwarded } = service;
      if (url === null) throw invalidField('service.url', `is missing: ${NETWORK_SERVICE} goes on to the server there`);
      if (forwarded === null)
        throw invalidField('service.forward2ServiceProps', `is missing: ${NETWORK_SERVICE} asks for the service there`);
      const token = (headers.authorization ?? '').replace(BEARER, '');
      const route = await this.routes.routeToServer(principal, token, url, forwarded);
      return { operation: FORWARDED_CHAT, model: forwarded.serviceId, engine: null, route };
    }
    const { serviceId, engine } = serviceOf(serviceIdOf(service));
    const route = url === null ? null : await this.routes.routeAt(principal, serviceId, url);
    return { operation: PROCESS_CHAT, model: serviceId, engine, route };
  }
}

function serviceIdOf({ serviceId, engine }: ProcessRequest['service']): string {
  return engine === null || serviceId.includes('/') ? serviceId : `${serviceId}/${engine}`;
}

/**
 * The owner of a conversation: the tenant for tokens that a key made; else the token itself, since all those share one tenant.
 */
function whoseOf(principal: ProcessPrincipal): string {
  if (principal.kind === 'anonymous') return 'anonymous';
  return principal.keyId === null ? `token:${principal.tokenId}` : `tenant:${principal.tenantId}`;
}

/** Accepts any content type: a browser's simple request says `text/plain`, whatever it sends. */
async function bodyOf(request: FastifyRequest): Promise<JsonObject> {
  const body = await readCallersBody(request);
  if (!TEXT_PLAIN.test(request.headers['content-type'] ?? '')) assertJson(request.raw);
  return body.length <= SMALL_BODY_BYTES ? parseJsonObject(body) : parseInTurns(request, body);
}
