import type { SecretKeyPrincipal } from '../../src/identity/index.js';
import type { CallContext } from '../../src/llm/calls/call-context.js';
import { Call } from '../../src/llm/calls/call.js';
import type { CallSink, CallSinkListener } from '../../src/llm/calls/call-sink.js';
import type { CallEvent, CallState } from '../../src/llm/calls/call-states.js';
import { CallTerms } from '../../src/llm/calls/call-terms.js';
import { RoutedCall } from '../../src/llm/calls/routed-call.js';
import { KeptAnswers } from '../../src/llm/calls/kept-answers.js';
import { LateCalls } from '../../src/llm/calls/late-calls.js';
import type { Operation } from '../../src/llm/calls/operation.js';
import { ModelCatalogue } from '../../src/llm/models/model-catalogue.js';
import { KnownModels } from '../../src/llm/models/model-facts.js';
import {
  NOTHING_USED,
  type AnswerSink,
  type Attempt,
  type ProviderFailure,
  type TokenUsage,
} from '../../src/llm/providers/provider.js';
import { parseChatRequest, readChatRequest } from '../../src/llm/providers/requests/chat-request.js';
import { Circuit } from '../../src/llm/routing/circuit.js';
import { RETRY_REASONS } from '../../src/llm/routing/retry-reason.js';
import { RouteWalk } from '../../src/llm/routing/route-walk.js';
import { straightTo } from '../../src/llm/routing/route.js';
import { Tokenizer } from '../../src/llm/tokens/tokenizer.js';
import { loadSettings } from '../../src/platform/config/index.js';
import { Fault } from '../../src/platform/errors/index.js';
import type { Admission, Reservation, Settlement } from '../../src/usage/index.js';

const MODELS = new KnownModels(loadSettings({}).settings);
const TOKENIZER = new Tokenizer();

const PRINCIPAL: SecretKeyPrincipal = {
  kind: 'secretKey',
  tenantId: 'acme',
  keyId: 'key_1',
  scopes: new Set(),
  requestsPerMinute: 1000,
  human: null,
};

const OWNER = { tenantId: 'acme', orgId: 'org_acme' };

const BOUND = {
  choices: 1,
  inputTokens: 100,
  outputTokens: 1000,
  defaultOutput: null,
  outputIsBounded: true,
  boundless: null,
  unpriced: null,
};
const CHAT: Operation<'chat'> = {
  name: 'chat',
  route: 'POST /v1/chat/completions',
  parse: readChatRequest,
  withModel: (request, model) => ({ ...request, model }),
  bound: () => BOUND,
  limitOutput: (request) => request,
  chargeEstimate: (estimate) => estimate,
};
export const USED: TokenUsage = { ...NOTHING_USED, inputTokens: 7, outputTokens: 5 };
const FAILURE: ProviderFailure = { outcome: 'UPSTREAM_BROKEN', error: new Fault('upstream_failed', 'It broke off.') };
/** A failure after which there is no other try. */
const REFUSED: ProviderFailure = {
  outcome: 'UPSTREAM_BROKEN',
  error: {
    status: 400,
    headers: {},
    body: { type: 't', message: 'm', error: { message: 'm', type: 't', param: null, code: null } },
  },
};
const CIRCUITS = { circuitFailures: 5, circuitOpenMs: 1000 };

export const LATE: ProviderFailure = {
  outcome: 'UPSTREAM_TIMEOUT',
  error: new Fault('upstream_timeout', 'It took too long.'),
};

/** One call and its surroundings: the test plays ledger, provider and caller, so that anything can happen at any time. */
export class CallStage implements CallContext, CallSink, Attempt {
  readonly settlements: Settlement[] = [];
  readonly owner = OWNER;
  readonly lateCalls = new LateCalls(1);
  readonly answers = new KeptAnswers();
  isStopping = false;
  overs = 0;
  tries = 0;
  retries = 0;
  admit: (admission: Admission) => void = () => undefined;
  refuseAdmission: (fault: Fault) => void = () => undefined;
  /** The ids of the admitted tries, in order. */
  readonly admittedIds: string[] = [];
  readonly ledger = {
    reserve: ({ id }: Reservation) =>
      new Promise<Admission>((resolve, reject) => {
        this.admit = (admission) => {
          this.admittedIds.push(id);
          this.admit = () => undefined;
          resolve(admission);
        };
        this.refuseAdmission = reject;
      }),
    settle: (settlement: Settlement) => void this.settlements.push(settlement),
  };

  // The part of the provider's attempt.
  status: number | null = null;
  readonly answeredBy = null;
  complete = false;
  aborts = 0;
  used = NOTHING_USED;

  // The part of the caller's reply.
  isGone = false;
  isBehind = false;
  listener: CallSinkListener | null = null;
  readonly said: string[] = [];

  readonly call: Call<'chat'>;
  readonly run: Promise<string>;

  /** Receives the events of the current try from its provider. */
  private sink: AnswerSink | null = null;

  /** @param kind a call whose caller named a model, or one that uses a route with two targets */
  constructor(model: string, kind: 'direct' | 'routed' = 'direct') {
    const request = parseChatRequest(
      Buffer.from(JSON.stringify({ model, messages: [{ role: 'user' }], stream: true })),
    );
    const provider = {
      name: 'stage',
      kind: 'stage',
      operations: new Set(['chat'] as const),
      catalogue: ModelCatalogue.of('stage', []),
      start: this.start.bind(this),
    };
    const route = straightTo(provider);
    const caller = { principal: PRINCIPAL, requestId: 'r', address: 'a' };
    const terms = new CallTerms(MODELS, TOKENIZER, CHAT, caller, request, route);
    if (kind === 'direct') {
      this.call = new Call(this, terms, this, null, OWNER);
    } else {
      const target = { provider, model: null, place: 0, circuit: new Circuit(CIRCUITS) };
      const plan = {
        targets: [target, { ...target, place: 1 }] as const,
        turns: null,
        attempts: 1,
        on: new Set(RETRY_REASONS),
      };
      this.call = new RoutedCall(this, terms, this, null, OWNER, RouteWalk.begin(route, plan, 0, Infinity));
    }
    this.run = this.call.run().then(
      () => 'done',
      (error: unknown) => (error instanceof Fault ? error.kind : 'a mistake of ours'),
    );
  }

  get settledIds(): readonly string[] {
    return this.settlements.map(({ id }) => id);
  }

  get state(): CallState {
    return (this.call as unknown as { readonly state: CallState }).state;
  }

  onOver(): void {
    this.overs += 1;
  }

  private start(_operation: string, _request: unknown, sink: AnswerSink): Attempt {
    this.sink = sink;
    return this;
  }

  /** A fixed handle on the current try, whatever follows it. */
  get tryUnderWay(): AnswerSink {
    return this.sink ?? this.call;
  }

  usage(): TokenUsage {
    return this.used;
  }
  abort(): void {
    this.aborts += 1;
  }
  pause(): void {
    this.said.push('pause');
  }
  resume(): void {
    this.said.push('resume');
  }
  attribute(): void {
    this.said.push('attribution');
  }
  onSent(): void {
    // These methods have no effect here.
  }
  onEnded(): void {
    // Nor have these.
  }
  onTried(): void {
    this.tries += 1;
  }
  onRetried(): void {
    this.retries += 1;
  }
  listen(listener: CallSinkListener): void {
    this.listener = listener;
  }
  json(): void {
    this.said.push('json');
  }
  refuse(): void {
    this.said.push('refusal');
  }
  begin(): void {
    this.said.push('begin');
  }
  write(): boolean {
    this.said.push('events');
    return true;
  }
  end(failure: ProviderFailure | null): void {
    this.said.push(failure === null ? 'end' : 'error');
  }

  /** Makes an event happen as it really does. */
  async happen(event: CallEvent): Promise<void> {
    switch (event) {
      case 'admitted':
        this.admit({ limited: false, outputTokens: 1000 });
        break;
      case 'refused':
        this.refuseAdmission(new Fault('unavailable', 'No.'));
        break;
      case 'withdrawn':
        this.isGone = true;
        this.admit({ limited: false, outputTokens: 1000 });
        break;
      case 'streamed':
        this.status = 200;
        this.tryUnderWay.onStreamData({}, Buffer.from('data: {}\n\n'));
        break;
      case 'answered':
        this.status = 200;
        this.used = USED;
        this.tryUnderWay.onStreamEnd();
        break;
      case 'failed':
        this.tryUnderWay.onFailure(this.call instanceof RoutedCall ? REFUSED : FAILURE);
        break;
      case 'retried':
        this.tryUnderWay.onFailure(FAILURE);
        break;
      case 'delayed':
        this.tryUnderWay.onLate(LATE);
        break;
      case 'left':
        this.call.onLeft();
        break;
      case 'read':
        (this.call as unknown as { stopReading(): void }).stopReading();
        break;
      case 'stopped':
        this.call.shutDown();
        break;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
