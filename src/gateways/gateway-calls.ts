import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  Calls,
  ReplySink,
  type Caller,
  type Operation,
  type OperationName,
  type OperationRequests,
  type Route,
} from '../llm/index.js';
import { readCallersJson } from '../platform/http/index.js';
import { replaceField } from '../platform/json/index.js';
import { CACHE_CONTROL_HEADER, cacheControlOf } from './cache-control.js';
import { GatewayBodies, MOST_BODY_BYTES } from './gateway-bodies.js';
import { GatewayCache, MOST_ANSWER_BYTES } from './gateway-cache.js';
import { GatewayDirectory, type KnownGateway } from './gateway.directory.js';
import { GatewayRoutes, type GatewayCaller } from './gateway.routes.js';
import { isWhole } from './kept-answer.js';
import { answeredFromCache, routeToKept } from './kept-answer.provider.js';
import { RecordingSink } from './recording.sink.js';

/** What the path says of a call, whatever its body says. */
interface Pinned {
  readonly provider: string;
  readonly model: string;
}

/** One call, as far as its gateway has a say in it. */
interface Asked<Name extends OperationName> {
  readonly gateway: KnownGateway | null;
  readonly operation: Operation<Name>;
  readonly caller: Caller;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly body: OperationRequests[Name];
}

const CACHE_HEADER = 'x-gatehouse-cache';

/** Calls by a gateway: governed as all calls are; answered from its cache where it keeps the answer to the very same request. */
@Injectable()
export class GatewayCalls {
  constructor(
    private readonly calls: Calls,
    private readonly routes: GatewayRoutes,
    private readonly directory: GatewayDirectory,
    private readonly cache: GatewayCache,
    private readonly bodies: GatewayBodies,
  ) {}

  /**
   * Reads the body of an HTTP request, and writes the whole answer to its reply.
   *
   * @throws Fault where nothing of an answer was sent
   */
  async answer<Name extends OperationName>(
    operation: Operation<Name>,
    principal: GatewayCaller,
    request: FastifyRequest,
    reply: FastifyReply,
    pinned: Pinned | null = null,
  ): Promise<void> {
    await this.calls.assertRoom(principal, request.ip);
    if (pinned !== null) await this.routes.assertProvider(principal, pinned.provider);
    const json = await readCallersJson(request);
    const body = operation.parse(
      pinned === null ? json : replaceField(json, 'model', `${pinned.provider}/${pinned.model}`),
    );
    const gateway = principal.gatewayId === null ? null : await this.directory.findGateway(principal.gatewayId);
    const caller = { principal, requestId: request.context?.requestId ?? '', address: request.ip };
    const asked = { gateway, operation, caller, request, reply, body };
    if (gateway !== null && gateway.cacheTtlSeconds !== null) return this.answerCached(asked, gateway);
    if (gateway !== null && gateway.bodyRetentionDays !== null) return this.run(asked, gateway, null);
    await this.calls.run(operation, caller, body, new ReplySink(reply, operation.streamError), request.bodyRoom);
  }

  private async answerCached<Name extends OperationName>(asked: Asked<Name>, gateway: KnownGateway): Promise<void> {
    const { operation, body, request, reply } = asked;
    const said = cacheControlOf(request.headers[CACHE_CONTROL_HEADER]);
    const key = this.cache.keyOf(gateway, operation.name, body.json.text);
    const found = key === null || said.asksAnew ? null : await this.cache.find(gateway, key, said.maxAgeSeconds);
    if (found === null) {
      reply.header(CACHE_HEADER, 'MISS');
      return this.run(asked, gateway, said.keepsNot ? null : key);
    }
    reply.header(CACHE_HEADER, 'HIT').header('age', found.ageSeconds);
    await this.run({ ...asked, operation: answeredFromCache(operation) }, gateway, null, routeToKept(found.answer));
  }

  /** @param key by which a whole answer is kept; null: it is not */
  private async run<Name extends OperationName>(
    { operation, caller, request, reply, body }: Asked<Name>,
    gateway: KnownGateway,
    key: Buffer | null,
    route?: Route,
  ): Promise<void> {
    const keepsBodies = gateway.bodyRetentionDays !== null;
    const sink = new RecordingSink(
      new ReplySink(reply, operation.streamError),
      key !== null ? MOST_ANSWER_BYTES : keepsBodies ? MOST_BODY_BYTES : 0,
    );
    try {
      await this.calls.run(operation, caller, body, sink, request.bodyRoom, undefined, route);
    } finally {
      const { answer, callId } = sink;
      if (key !== null && answer !== null && isWhole(operation.name, answer))
        void this.cache.keep(gateway, key, answer);
      if (keepsBodies && callId !== null) void this.bodies.keep(gateway, callId, body.raw, sink.seen);
    }
  }
}
