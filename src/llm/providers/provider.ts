import type { Fault } from '../../platform/errors/index.js';
import type { ModelCatalogue } from '../models/model-catalogue.js';
import type { ChatRequest } from './requests/chat-request.js';
import type { EmbeddingsRequest } from './requests/embeddings-request.js';
import type { ResponsesRequest } from './requests/responses-request.js';

/** What a provider can be asked for, and the request of each. Requests are in OpenAI's words for every provider alike. */
export interface OperationRequests {
  readonly chat: ChatRequest;
  readonly embeddings: EmbeddingsRequest;
  readonly responses: ResponsesRequest;
}

export type OperationName = keyof OperationRequests;

/**
 * The port of everything that runs models. A provider that speaks OpenAI's dialect passes bytes on; one with a dialect of
 * its own turns the request into its own, and its answer into OpenAI's JSON or stream events. Nothing above this port
 * knows which it was.
 */
export interface Provider {
  /** As the ledger names it. */
  readonly name: string;
  /** Which of the few kinds that this service speaks with: a label of metrics, unlike names, which tenants choose. */
  readonly kind: string;
  readonly catalogue: ModelCatalogue;
  /** What it can be asked for. Nothing else comes to `start`. */
  readonly operations: ReadonlySet<OperationName>;
  /** By which kept responses are asked for; absent: it keeps none. */
  readonly keeper?: ResponseKeeper;
  /** Begins an attempt. `sink` may hear of a failure before this returns, and of anything else only after. */
  start<Name extends OperationName>(operation: Name, request: OperationRequests[Name], sink: AnswerSink): Attempt;
}

/** What keeps responses, and is asked for them by their ids alone. */
export interface ResponseKeeper {
  /** Of the tenant's own provider; null: it is the platform's. */
  readonly providerId: string | null;
  /** @param query of the caller's, without a question mark. `sink` hears JSON, or a failure */
  ask(method: 'GET' | 'DELETE', id: string, query: string, sink: AnswerSink): Attempt;
}

/** What `start` is given belongs together, which the compiler can't see. */
export function isRequestOf<Name extends OperationName>(
  name: Name,
  operation: OperationName,
  _request: object,
): _request is OperationRequests[Name] {
  return operation === name;
}

/**
 * Takes an answer in OpenAI's dialect: `onJson`; or `onStreamData` any number of times, then `onStreamEnd`; or at any
 * point `onFailure`. Nothing comes after `onJson`, `onStreamEnd` or `onFailure`.
 */
export interface AnswerSink {
  /** A whole answer, status 200. `headers` are those that the caller may see. */
  onJson(headers: AnswerHeaders, body: Buffer): void;
  /** Whole stream events, the usage chunk only where it was asked for. `headers` are those of the first call. */
  onStreamData(headers: AnswerHeaders, events: Buffer): void;
  /** After the event `[DONE]`. */
  onStreamEnd(): void;
  onFailure(failure: ProviderFailure): void;
  /**
   * The provider has the request and did not begin to answer in time. True: it is waited for, and everything else may
   * still come; false: `failure` follows at once.
   */
  onLate(failure: ProviderFailure): boolean;
  /**
   * So much more of an answer is kept until it is whole. False: there is no room for it, and the attempt fails. Without this
   * method nothing is counted.
   */
  onKept?(bytes: number): boolean;
}

/** So much of an answer is kept without a word. */
export const KEPT_STEP_BYTES = 1024 * 1024;

export type AnswerHeaders = Readonly<Record<string, string>>;

/** One exchange with a provider. */
export interface Attempt {
  /** The provider's status; null: it has not answered. */
  readonly status: number | null;
  /** Which model answered, as the provider says; null: it has not said. */
  readonly answeredBy: string | null;
  /** The stream's end mark went through, even if the provider has not closed it yet. */
  readonly complete: boolean;
  /** What was used up to now: as the provider reported it, a reported zero included, else an estimate of what came. */
  usage(): TokenUsage;
  /** Stops the provider at once; the sink hears nothing more. */
  abort(): void;
  pause(): void;
  resume(): void;
}

/** What a provider counts. The parts of the input and the part of the output are 0 where it did not say. */
export interface TokenCounts {
  readonly inputTokens: number;
  /** Those of the input that the provider had in its cache: never more than the input. */
  readonly cachedInputTokens: number;
  /** Those of the input that the provider wrote to its cache: never more than the input less the cached ones. */
  readonly cacheWriteTokens: number;
  /** With those of reasoning, wherever the provider reports them. */
  readonly outputTokens: number;
  /** Those of the output that the model thought with: never more than the output. */
  readonly reasoningTokens: number;
}

export interface TokenUsage extends TokenCounts {
  /** Counted here, because the provider did not say. */
  readonly estimated: boolean;
}

export const NOTHING_USED: TokenUsage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  estimated: false,
};

export interface ProviderFailure {
  /** `NOT_SENT`: the request could not be made into one that this provider takes. */
  readonly outcome: 'UPSTREAM_ERROR' | 'UPSTREAM_TIMEOUT' | 'UPSTREAM_BROKEN' | 'SHUTDOWN' | 'NOT_SENT';
  readonly error: Fault | ProviderRefusal;
  /** What the provider said, as far as a log may hold it: no prompt, no key. */
  readonly said?: string;
  /** The stream itself has told the caller of it. */
  readonly told?: true;
}

/** The provider's own error, told to the caller with the provider's status. */
export interface ProviderRefusal {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: {
    readonly type: string;
    readonly message: string;
    readonly error: {
      readonly message: string;
      readonly type: string;
      readonly param: string | null;
      readonly code: string | null;
    };
  };
}
