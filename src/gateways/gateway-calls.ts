import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Calls, type Operation, type OperationName } from '../llm/index.js';
import { replaceField } from '../platform/json/index.js';
import { GatewayRoutes, type GatewayCaller } from './gateway.routes.js';

/** What the path says of a call, whatever its body says. */
interface Pinned {
  readonly provider: string;
  readonly model: string;
}

/** Calls by a gateway: governed as all calls are. */
@Injectable()
export class GatewayCalls {
  constructor(
    private readonly calls: Calls,
    private readonly routes: GatewayRoutes,
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
    if (pinned !== null) await this.routes.assertProvider(principal, pinned.provider);
    await this.calls.answer(operation, principal, request, reply, {
      prepare: (json) => (pinned === null ? json : replaceField(json, 'model', `${pinned.provider}/${pinned.model}`)),
    });
  }
}
