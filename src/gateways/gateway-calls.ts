import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  callerBy,
  Calls,
  ReplySink,
  type Operation,
  type OperationName,
  type OperationRequests,
} from '../llm/index.js';
import { assertJson, parseInTurns, readCallersBody, SMALL_BODY_BYTES } from '../platform/http/index.js';
import { parseJsonObject, replaceField } from '../platform/json/index.js';
import { CACHE_CONTROL_HEADER, cacheControlOf, type CacheControl } from './cache-control.js';
import { GatewayBodies, MOST_BODY_BYTES } from './gateway-bodies.js';
import { GatewayCache, MOST_ANSWER_BYTES, type AnswerKey, type FoundAnswer } from './gateway-cache.js';
import { GatewayDirectory, type KnownGateway } from './gateway.directory.js';
import { GatewayRoutes, type GatewayCaller } from './gateway.routes.js';
import { isWhole } from './kept-answer.js';
import { KeptCalls } from './kept-calls.js';
import { RecordingSink } from './recording.sink.js';

/** What the path says of a call, whatever its body says. */
interface Pinned {
  readonly provider: string;
  readonly model: string;
}

/** One call, before its body is read as a request. */
interface Asked<Name extends OperationName> {
  readonly operation: Operation<Name>;
  readonly principal: GatewayCaller;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly pinned: Pinned | null;
  readonly raw: Buffer;
}

const CACHE_HEADER = 'x-gatehouse-cache';

/**
 * Calls by a gateway: governed as all calls are, and answered from its cache where it keeps the answer to the same
 * request.
 */
@Injectable()
export class GatewayCalls {
  constructor(
    private readonly calls: Calls,
    private readonly routes: GatewayRoutes,
    private readonly directory: GatewayDirectory,
    private readonly cache: GatewayCache,
    private readonly kept: KeptCalls,
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
    const raw = await readCallersBody(request);
    assertJson(request.raw);
    const found = principal.gatewayId === null ? null : this.directory.findGateway(principal.gatewayId);
    const gateway = found instanceof Promise ? await found : found;
    const asked = { operation, principal, request, reply, pinned, raw };
    if (gateway !== null && gateway.cacheTtlSeconds !== null) return this.answerCached(asked, gateway);
    await this.run(asked, await this.requestOf(asked), gateway, null);
  }

  private async answerCached<Name extends OperationName>(asked: Asked<Name>, gateway: KnownGateway): Promise<void> {
    const { operation, request, reply, pinned, raw } = asked;
    const said = cacheControlOf(request.headers[CACHE_CONTROL_HEADER]);
    // A request that came before in the same bytes is found without being read.
    const spelling = this.cache.spellingOf(
      gateway,
      operation.name,
      pinned && `${pinned.provider}/${pinned.model}`,
      raw,
    );
    let key = this.cache.keySpelled(spelling);
    let body = key === null || gateway.bodyRetentionDays !== null ? await this.requestOf(asked) : null;
    if (key === null && body !== null) {
      key = this.cache.keyOf(gateway, operation.name, body.json.text);
      this.cache.rememberSpelling(spelling, key);
    }
    const found = await this.find(gateway, key, said);
    if (found === null) {
      reply.header(CACHE_HEADER, 'MISS');
      body ??= await this.requestOf(asked);
      return this.run(asked, body, gateway, said.keepsNot ? null : key);
    }
    reply.header(CACHE_HEADER, 'HIT').header('age', found.ageSeconds);
    await this.give(asked, gateway, found, body);
  }

  private async find(
    gateway: KnownGateway,
    key: AnswerKey | null,
    { asksAnew, maxAgeSeconds }: CacheControl,
  ): Promise<FoundAnswer | null> {
    return key === null || asksAnew ? null : this.cache.find(gateway, key, maxAgeSeconds);
  }

  private async give<Name extends OperationName>(
    { operation, principal, request, reply }: Asked<Name>,
    gateway: KnownGateway,
    { answer }: FoundAnswer,
    body: OperationRequests[Name] | null,
  ): Promise<void> {
    const requestId = request.context?.requestId ?? '';
    const call = { principal, requestId, operation: operation.name, elapsedMs: reply.elapsedTime };
    const callId = await this.kept.answer(call, answer, new ReplySink(reply, operation.streamError));
    if (gateway.bodyRetentionDays !== null && body !== null)
      void this.bodies.keep(gateway, callId, body.raw, answer.body);
  }

  /** @throws Fault invalid_input */
  private async requestOf<Name extends OperationName>(asked: Asked<Name>): Promise<OperationRequests[Name]> {
    const { operation, request, pinned, raw } = asked;
    const json = raw.length <= SMALL_BODY_BYTES ? parseJsonObject(raw) : await parseInTurns(request, raw);
    return operation.parse(pinned === null ? json : replaceField(json, 'model', `${pinned.provider}/${pinned.model}`));
  }

  /** @param key by which a whole answer is kept; null: it is not */
  private async run<Name extends OperationName>(
    { operation, principal, request, reply }: Asked<Name>,
    body: OperationRequests[Name],
    gateway: KnownGateway | null,
    key: AnswerKey | null,
  ): Promise<void> {
    const caller = callerBy(principal, request);
    const answered = new ReplySink(reply, operation.streamError);
    const keepsBodies = gateway !== null && gateway.bodyRetentionDays !== null;
    if (gateway === null || (key === null && !keepsBodies))
      return this.calls.run(operation, caller, body, answered, request.bodyRoom);
    const sink = new RecordingSink(answered, key !== null ? MOST_ANSWER_BYTES : MOST_BODY_BYTES);
    try {
      await this.calls.run(operation, caller, body, sink, request.bodyRoom);
    } finally {
      const { answer, callId } = sink;
      if (key !== null && answer !== null && isWhole(operation.name, answer))
        void this.cache.keep(gateway, key, answer);
      if (keepsBodies && callId !== null) void this.bodies.keep(gateway, callId, body.raw, sink.seen);
    }
  }
}
