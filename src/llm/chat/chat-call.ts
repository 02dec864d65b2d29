import { uuidV7 } from '../../platform/crypto/index.js';
import { Fault } from '../../platform/errors/index.js';
import type { Admission, Outcome, UsageLedger } from '../../usage/index.js';
import { hidesReasoning, type KnownModels, type ModelFacts } from '../models/model-facts.js';
import type { Tokenizer } from '../tokens/tokenizer.js';
import type {
  AnswerHeaders,
  AnswerSink,
  ChatProvider,
  ProviderCall,
  ProviderFailure,
  TokenUsage,
} from '../providers/chat-provider.js';
import { boundCall, costOf, withOutputLimit, type CallBound } from './call-bound.js';
import {
  STREAM_HEADERS,
  headersSetSoFar,
  logFailure,
  renderErrorEvent,
  shuttingDown,
  writeJson,
} from './chat-answer.js';
import type { ChatRequest } from './chat-request.js';
import { reservationOf, type ChatCaller } from './chat-reservation.js';
import type { LateCalls } from './late-calls.js';
import { isCounted, pricedBy, settledUsage } from './settled-usage.js';

/** A silence of this length says that the network's buffers are empty; a provider that never falls silent gets so many. */
const READ_ON_MS = 250;
const MAX_READ_ONS = 8;

const NOTHING_USED: TokenUsage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, estimated: false };

/**
 * One chat completion from its reservation to its settlement.
 *
 * Guarantees: nothing goes upstream before the reservation is committed, and no more than it admits; whichever of the
 * provider's end or failure, the caller's hang-up and the service's shutdown comes first ends the call, and it alone; the
 * reservation is then settled, once, with what the provider reported or what it had produced by then.
 *
 * This is the hot path: one object, no closure for a chunk, the provider's bytes written as they come.
 */
export class ChatCall implements AnswerSink {
  private readonly id = uuidV7();
  private readonly startedAt = performance.now();
  private readonly facts: ModelFacts | null;
  private readonly bound: CallBound;
  private upstream: ProviderCall | null = null;
  private streaming = false;
  private over = false;
  private stopping = false;
  private blocked = false;
  /** Something came after the caller was gone. */
  private heard = false;
  /** The provider is waited for beyond its time. */
  private late = false;
  private onOver: () => void = ignore;
  /** How the call ends, once its caller is gone, or has been told that it took too long. */
  private left: Outcome | null = null;
  private failure: ProviderFailure | null = null;
  private resolve: () => void = ignore;
  private reject: (fault: Fault) => void = ignore;

  constructor(
    private readonly caller: ChatCaller,
    private request: ChatRequest,
    private readonly models: Pick<KnownModels, 'find'>,
    tokenizer: Tokenizer,
    private readonly provider: ChatProvider,
    private readonly ledger: Pick<UsageLedger, 'reserve' | 'settle'>,
    private readonly lateCalls: LateCalls,
  ) {
    this.facts = models.find(request.model);
    this.bound = boundCall(request, this.facts, tokenizer);
  }

  /**
   * Runs the call to its end, the answer included.
   *
   * @throws Fault where nothing of an answer was sent yet
   */
  async run(): Promise<void> {
    this.keepWithin(
      await this.ledger.reserve(
        reservationOf(this.id, this.caller, this.request, this.bound, this.facts, this.provider.name),
      ),
    );
    if (this.caller.reply.raw.destroyed) {
      this.settle('CLIENT_ABORTED', NOTHING_USED);
      return;
    }
    if (this.stopping) {
      this.settle('SHUTDOWN', NOTHING_USED);
      throw shuttingDown();
    }
    await new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      this.caller.reply.raw.once('close', () => this.hangUp());
      this.start();
    });
    // Told here, where the request's own context is back: providers call from that of whoever opened their connection.
    if (this.failure !== null) logFailure(this.provider.name, this.failure);
  }

  onJson(headers: AnswerHeaders, body: Buffer): void {
    if (this.over || this.leave()) return;
    writeJson(this.caller.reply, headers, body);
    this.finish('OK', this.used());
  }

  onStreamData(headers: AnswerHeaders, events: Buffer): void {
    if (this.over) return;
    if (this.left !== null) {
      this.heard = true;
      if (this.late && !hidesReasoning(this.request.model) && this.used().outputTokens > 0) this.leave();
      return;
    }
    if (!this.streaming) this.beginStream(headers);
    if (!this.caller.reply.raw.write(events) && !this.blocked) this.holdBack();
  }

  onStreamEnd(): void {
    if (this.over || this.leave()) return;
    this.caller.reply.raw.end();
    this.finish('OK', this.used());
  }

  onFailure(failure: ProviderFailure): void {
    if (this.over || this.leave()) return;
    if (this.streaming) {
      this.failure = failure;
      this.endStream(failure.told === true ? null : failure);
      this.finish(failure.outcome, this.used());
    } else if (failure.error instanceof Fault) {
      this.fail(failure.outcome, failure.error);
    } else {
      const { status, headers, body } = failure.error;
      this.failure = failure;
      void this.caller.reply
        .code(status)
        .headers(headers)
        .header('content-type', 'application/json; charset=utf-8')
        .send(JSON.stringify(body));
      this.finish(failure.outcome, NOTHING_USED);
    }
  }

  /**
   * The caller learns at once that it took too long. What the provider makes of the call it bills all the same, and only
   * its answer tells how much that is.
   */
  onLate(failure: ProviderFailure): boolean {
    if (this.over || !this.lateCalls.admit()) return false;
    this.late = true;
    if (this.left === null && failure.error instanceof Fault) {
      this.left = failure.outcome;
      this.reject(failure.error);
    }
    return true;
  }

  /** Calls `close` once the call is settled, which may be long after its caller had an answer. */
  whenOver(close: () => void): void {
    if (this.late && !this.over) this.onOver = close;
    else close();
  }

  /** The service can't wait for this call any longer. */
  shutDown(): void {
    this.stopping = true;
    if (this.over || this.upstream === null || this.leave()) return;
    this.upstream.abort();
    if (this.streaming) {
      this.endStream({ outcome: 'SHUTDOWN', error: shuttingDown() });
      this.finish('SHUTDOWN', this.used());
    } else {
      this.fail('SHUTDOWN', shuttingDown());
    }
  }

  private start(): void {
    try {
      this.upstream = this.provider.start(this.request, this);
    } catch (error) {
      const fault =
        error instanceof Fault ? error : new Fault('internal', 'An internal error occurred.', { cause: error });
      this.fail('NOT_SENT', fault);
    }
  }

  /** Writes down what a limit leaves, unless what the caller wrote, or the model's own limit, holds to it anyway. */
  private keepWithin({ limited, outputTokens }: Admission): void {
    if (!limited || (this.bound.outputIsBounded && outputTokens === this.bound.outputTokens)) return;
    this.request = withOutputLimit(this.request, this.facts, Math.floor(outputTokens / this.bound.choices));
  }

  /**
   * The caller is gone: the provider stops at once, and what it had produced is charged. A stream that had come to its
   * end mark is a whole one, whoever closes first. Where the caller read slowly, megabytes that the provider sent wait
   * unread: they are read first, or reading slowly would be a way not to pay. A model that hides what it thinks is read to
   * its end, since its own report alone tells what was used.
   */
  private hangUp(): void {
    if (this.over || this.upstream === null || this.left !== null) return;
    this.left = this.upstream.complete ? 'OK' : 'CLIENT_ABORTED';
    if (this.left !== 'OK' && hidesReasoning(this.request.model)) this.upstream.resume();
    else if (this.blocked) {
      this.upstream.resume();
      this.readOn(MAX_READ_ONS);
    } else this.leave();
  }

  /** What is there to be read is read before the silence is judged: a busy machine may have had no time for it. */
  private readOn(times: number): void {
    this.heard = false;
    const judge = (): void => {
      if (this.over) return;
      if (this.heard && times > 1) this.readOn(times - 1);
      else this.leave();
    };
    setTimeout(() => setImmediate(judge), READ_ON_MS);
  }

  /** Ends a call whose caller is gone; false: the caller is there. */
  private leave(): boolean {
    if (this.left === null) return false;
    this.upstream?.abort();
    // One who hung up pays for the prompt whatever came of it; one who was told of a time-out, once there is an answer.
    const isCharged = this.left !== 'UPSTREAM_TIMEOUT' || this.upstream?.status === 200;
    this.finish(this.left, isCharged ? this.used() : NOTHING_USED);
    return true;
  }

  /** Headers go out with the first event and not before, so that a failure until then still has a status to say. */
  private beginStream(headers: AnswerHeaders): void {
    const { reply } = this.caller;
    this.streaming = true;
    const sent = Object.assign(headersSetSoFar(reply), STREAM_HEADERS, headers);
    reply.hijack();
    reply.raw.writeHead(200, sent);
  }

  /** The caller reads more slowly than the provider writes: the provider waits. */
  private holdBack(): void {
    this.blocked = true;
    this.upstream?.pause();
    this.caller.reply.raw.once('drain', () => {
      this.blocked = false;
      this.upstream?.resume();
    });
  }

  private endStream(failure: ProviderFailure | null): void {
    const { raw } = this.caller.reply;
    if (failure !== null) raw.write(renderErrorEvent(failure));
    raw.end();
  }

  private used(): TokenUsage {
    return this.upstream?.usage() ?? NOTHING_USED;
  }

  /** Nothing of an answer reached the caller; what had come of one by then was produced all the same. */
  private fail(outcome: Outcome, fault: Fault): void {
    const used = this.upstream?.status === 200 ? this.used() : NOTHING_USED;
    this.settle(outcome, used.outputTokens > 0 ? used : NOTHING_USED);
    this.reject(fault);
  }

  private finish(outcome: Outcome, usage: TokenUsage): void {
    this.settle(outcome, usage);
    this.resolve();
  }

  private settle(outcome: Outcome, used: TokenUsage): void {
    this.over = true;
    const usage = settledUsage(used, this.request, this.bound);
    const facts = pricedBy(this.models, this.request.model, this.facts, this.upstream?.answeredBy ?? null);
    this.ledger.settle({
      id: this.id,
      tenantId: this.caller.principal.tenantId,
      outcome,
      statusCode: this.upstream?.status ?? null,
      inputTokens: usage.inputTokens,
      cachedInputTokens: usage.cachedInputTokens,
      outputTokens: usage.outputTokens,
      costPicoUsd: costOf(usage, facts),
      counted: isCounted(outcome, usage, this.upstream !== null),
      estimated: usage.estimated,
      latencyMs: Math.round(performance.now() - this.startedAt),
    });
    if (!this.late) return;
    this.lateCalls.leave();
    this.onOver();
  }
}

function ignore(): void {
  // Until the provider is asked nobody waits for it.
}
