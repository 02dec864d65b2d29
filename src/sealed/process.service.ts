import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AnonymousPrincipal, SealedTokenPrincipal } from '../identity/index.js';
import { Calls, CHAT } from '../llm/index.js';
import { invalidField } from '../platform/errors/index.js';
import { assertJson, parseInTurns, readCallersBody, readJson, SMALL_BODY_BYTES } from '../platform/http/index.js';
import { parseJsonObject, type JsonObject } from '../platform/json/index.js';
import { ConversationStates } from './conversation-state.js';
import { processRequest, type ProcessRequest, type Said } from './process.dto.js';
import { ProcessSink } from './process-sink.js';
import { serviceOf } from './service-factories.js';

type ProcessPrincipal = SealedTokenPrincipal | AnonymousPrincipal;

/** A chat completion that `/process` asks for. */
const PROCESS_CHAT = { ...CHAT, route: 'POST /api/v1/process' };
const NOT_SENT_ON =
  'asks for another server, and requests are not sent on from here: leave it out, or ask that server itself';
const TEXT_PLAIN = /^text\/plain(?:;|$)/i;

/** AIsBreaker's way to ask for a completion. */
@Injectable()
export class ProcessService {
  constructor(
    private readonly calls: Calls,
    private readonly states: ConversationStates,
  ) {}

  /**
   * Reads the body of a request, and writes the whole answer to its reply.
   *
   * @throws Fault where nothing of an answer was sent
   */
  async process(principal: ProcessPrincipal, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const asked = readJson(await bodyOf(request), processRequest);
    assertServedHere(asked);
    const service = serviceOf(serviceIdOf(asked));
    const { inputs, conversationState, stream } = asked.request;
    const before = conversationState === null ? [] : await this.states.open(whoseOf(principal), conversationState);
    const said: Said[] = [...before, ...inputs.map(({ text }) => text)];
    const json = { model: service.serviceId, messages: said, stream };
    const sink = new ProcessSink(reply, () => ({
      service: { serviceId: asked.service.serviceId, engine: service.engine },
      totalMilliseconds: Math.round(reply.elapsedTime),
    }));
    await this.calls.run(
      PROCESS_CHAT,
      { principal, requestId: request.context?.requestId ?? '', address: request.ip },
      PROCESS_CHAT.parse(parseJsonObject(Buffer.from(JSON.stringify(json)))),
      sink,
      request.bodyRoom,
    );
    sink.finish(await this.states.seal(whoseOf(principal), [...said, { role: 'assistant', content: sink.text }]));
  }
}

/** @throws Fault invalid_input: it is to be sent on to another server, which would get the secret, or the token itself */
function assertServedHere({ service: { serviceId, url } }: ProcessRequest): void {
  if (url !== null) throw invalidField('service.url', NOT_SENT_ON);
  if (serviceId.startsWith('aisbreaker:')) throw invalidField('service.serviceId', NOT_SENT_ON);
}

function serviceIdOf({ service: { serviceId, engine } }: ProcessRequest): string {
  return engine === null || serviceId.includes('/') ? serviceId : `${serviceId}/${engine}`;
}

/** Of tokens that a key made the tenant's; of the others each its own, as their tenant is everybody's. */
function whoseOf(principal: ProcessPrincipal): string {
  if (principal.kind === 'anonymous') return 'anonymous';
  return principal.keyId === null ? `token:${principal.tokenId}` : `tenant:${principal.tenantId}`;
}

/** A browser's simple request says `text/plain`, whatever it sends. */
async function bodyOf(request: FastifyRequest): Promise<JsonObject> {
  const body = await readCallersBody(request);
  if (!TEXT_PLAIN.test(request.headers['content-type'] ?? '')) assertJson(request.raw);
  return body.length <= SMALL_BODY_BYTES ? parseJsonObject(body) : parseInTurns(request, body);
}
