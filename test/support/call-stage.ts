import type { SecretKeyPrincipal } from '../../src/identity/index.js';
import type { CallContext } from '../../src/llm/calls/call-context.js';
import { Call } from '../../src/llm/calls/call.js';
import type { CallSink, CallSinkListener } from '../../src/llm/calls/call-sink.js';
import type { CallEvent, CallState } from '../../src/llm/calls/call-states.js';
import { CallTerms } from '../../src/llm/calls/call-terms.js';
import { LateCalls } from '../../src/llm/calls/late-calls.js';
import type { Operation } from '../../src/llm/calls/operation.js';
import { ModelCatalogue } from '../../src/llm/models/model-catalogue.js';
import { KnownModels } from '../../src/llm/models/model-facts.js';
import { NOTHING_USED, type Attempt, type ProviderFailure, type TokenUsage } from '../../src/llm/providers/provider.js';
import { parseChatRequest, readChatRequest } from '../../src/llm/providers/requests/chat-request.js';
import { Tokenizer } from '../../src/llm/tokens/tokenizer.js';
import { loadSettings } from '../../src/platform/config/index.js';
import { Fault } from '../../src/platform/errors/index.js';
import type { Admission, Settlement } from '../../src/usage/index.js';

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
  bound: () => BOUND,
  limitOutput: (request) => request,
  chargeEstimate: (estimate) => estimate,
};
export const USED: TokenUsage = { ...NOTHING_USED, inputTokens: 7, outputTokens: 5 };
const FAILURE: ProviderFailure = { outcome: 'UPSTREAM_BROKEN', error: new Fault('upstream_failed', 'It broke off.') };
export const LATE: ProviderFailure = {
  outcome: 'UPSTREAM_TIMEOUT',
  error: new Fault('upstream_timeout', 'It took too long.'),
};

/** One call, and everybody around it: ledger, provider and caller are played, so that anything can happen at any time. */
export class CallStage implements CallContext, CallSink, Attempt {
  readonly settlements: Settlement[] = [];
  readonly lateCalls = new LateCalls(1);
  isStopping = false;
  overs = 0;
  admit: (admission: Admission) => void = () => undefined;
  refuseAdmission: (fault: Fault) => void = () => undefined;
  readonly ledger = {
    reserve: () =>
      new Promise<Admission>((resolve, reject) => {
        this.admit = resolve;
        this.refuseAdmission = reject;
      }),
    settle: (settlement: Settlement) => void this.settlements.push(settlement),
  };

  // The provider's attempt.
  status: number | null = null;
  readonly answeredBy = null;
  complete = false;
  aborts = 0;
  used = NOTHING_USED;

  // The caller's reply.
  isGone = false;
  isBehind = false;
  listener: CallSinkListener | null = null;
  readonly said: string[] = [];

  readonly call: Call<'chat'>;
  readonly run: Promise<string>;

  constructor(model: string) {
    const request = parseChatRequest(
      Buffer.from(JSON.stringify({ model, messages: [{ role: 'user' }], stream: true })),
    );
    const provider = { name: 'stage', kind: 'stage', catalogue: ModelCatalogue.of('stage', []), start: () => this };
    const route = { name: null, target: { provider } };
    const caller = { principal: PRINCIPAL, requestId: 'r', address: 'a' };
    this.call = new Call(this, new CallTerms(MODELS, TOKENIZER, CHAT, caller, request, route), this, null, OWNER);
    this.run = this.call.run().then(
      () => 'done',
      (error: unknown) => (error instanceof Fault ? error.kind : 'a mistake of ours'),
    );
  }

  get state(): CallState {
    return (this.call as unknown as { readonly state: CallState }).state;
  }

  onOver(): void {
    this.overs += 1;
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

  /** Has an event happen as it really does. */
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
        this.call.onStreamData({}, Buffer.from('data: {}\n\n'));
        break;
      case 'answered':
        this.status = 200;
        this.used = USED;
        this.call.onStreamEnd();
        break;
      case 'failed':
        this.call.onFailure(FAILURE);
        break;
      case 'delayed':
        this.call.onLate(LATE);
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
