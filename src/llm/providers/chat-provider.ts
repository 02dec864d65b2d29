import type { Fault } from '../../platform/errors/index.js';
import type { ChatRequest } from '../chat/chat-request.js';
import type { ModelCatalogue } from '../models/model-catalogue.js';

/**
 * Whatever can answer a chat completion. A provider that speaks OpenAI's dialect passes bytes on; one with a dialect of
 * its own turns the request into its own and its answer into OpenAI's JSON or stream events. Nothing beyond this port
 * knows which it was.
 */
export interface ChatProvider {
  /** As the ledger names it. */
  readonly name: string;
  readonly catalogue: ModelCatalogue;
  /** Begins a call. `sink` may hear of a failure before this returns, and of anything else only after. */
  start(request: ChatRequest, sink: AnswerSink): ProviderCall;
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
   * The provider has got the request and not begun to answer in time. True: it is waited for on, and everything else may
   * still come; false: `failure` follows at once.
   */
  onLate(failure: ProviderFailure): boolean;
}

export type AnswerHeaders = Readonly<Record<string, string>>;

/** A call under way. */
export interface ProviderCall {
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

export interface TokenUsage {
  readonly inputTokens: number;
  /** Those of the input that the provider had in its cache: never more than the input; 0 where it did not say. */
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  /** Counted here, because the provider did not say. */
  readonly estimated: boolean;
}

export interface ProviderFailure {
  readonly outcome: 'UPSTREAM_ERROR' | 'UPSTREAM_TIMEOUT' | 'UPSTREAM_BROKEN' | 'SHUTDOWN';
  readonly error: Fault | ProviderRefusal;
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
