import { Injectable } from '@nestjs/common';
import { Calls, type Caller, type CallSink, type OperationName } from '../llm/index.js';
import { uuidV7 } from '../platform/crypto/index.js';
import { UsageLedger } from '../usage/index.js';
import type { GatewayCaller } from './gateway.routes.js';
import type { KeptAnswer } from './kept-answer.js';

/** As the ledger names what a gateway's cache answers. */
export const CACHE = 'cache';
const AS_PROVIDER = { kind: CACHE } as const;
const FREE = { inputPicoUsd: 0n, outputPicoUsd: 0n };

/** Who asks for what is kept. */
export interface KeptCall {
  readonly principal: GatewayCaller;
  readonly requestId: Caller['requestId'];
  readonly operation: OperationName;
  /** How long the caller waits already. */
  readonly elapsedMs: number;
}

/**
 * Calls that are answered by what their gateway keeps. Each is admitted by the limits of all its holders as any other one, and
 * stands in the ledger before the caller has a byte; since all that it uses is one request, the same statement settles it.
 * No provider is asked, so it takes no place among the calls to providers.
 */
@Injectable()
export class KeptCalls {
  constructor(
    private readonly ledger: UsageLedger,
    private readonly calls: Calls,
  ) {}

  /**
   * @returns the call's id in the ledger
   * @throws Fault as `UsageLedger.reserve` does, where nothing of an answer was sent
   */
  async answer(call: KeptCall, answer: KeptAnswer, sink: CallSink): Promise<string> {
    const { principal, requestId, operation, elapsedMs } = call;
    const { form, headers, model, body } = answer;
    const id = uuidV7();
    const { tokenRoom = null } = await this.ledger.record({
      id,
      tenantId: principal.tenantId,
      keyId: null,
      userId: null,
      human: null,
      gatewayId: principal.gatewayId,
      gatewayTokenId: principal.kind === 'gatewayToken' ? principal.tokenId : null,
      sealedTokenHash: null,
      impersonated: null,
      requestId,
      operation,
      route: null,
      attempt: 1,
      provider: CACHE,
      model,
      streamed: form === 'stream',
      // Limits of tokens and cost hold nothing for it.
      reservedInputTokens: 0,
      reservedOutputTokens: 0,
      defaultOutput: null,
      closer: null,
      choices: 1,
      boundless: null,
      price: FREE,
      latencyMs: elapsedMs,
    });
    this.calls.onAnswered(AS_PROVIDER, operation);
    if (sink.isGone) return id;
    const by = { provider: CACHE, model, attempts: 1, awaitedMs: 0, tokenRoom };
    if (form === 'json') sink.json(headers, body, by);
    else {
      sink.begin(headers, by);
      sink.write(body);
      sink.end(null);
    }
    return id;
  }
}
