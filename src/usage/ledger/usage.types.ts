/** What is committed before a call goes upstream. */
export interface Reservation {
  /** UUID v7, made by the caller: it can look up a commit of unknown outcome, and a retry counts once. */
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string | null;
  readonly userId: string | null;
  /** The human whose limits are charged; created with the reservation. */
  readonly human: string | null;
  /** The gateway and its token, which hold budgets too; null: the call came another way. */
  readonly gatewayId: string | null;
  readonly gatewayTokenId: string | null;
  /** SHA-256 of a sealed token's `jti`, in hex, since the token itself is not stored. */
  readonly sealedTokenHash: string | null;
  /** Set if the key acts on the human's behalf: the row of the audit log is written with the reservation. */
  readonly impersonated: { readonly route: string; readonly address: string } | null;
  readonly requestId: string;
  readonly operation: Operation;
  /** The route's name, as the tenant chose it; null: the caller named a model. */
  readonly route: string | null;
  /** Counts the call's attempts from 1. Each that may be billed is a row of its own. */
  readonly attempt: number;
  readonly provider: string;
  readonly model: string;
  readonly streamed: boolean;
  /** Upper bounds, which an orphan is charged. */
  readonly reservedInputTokens: number;
  /** An upper bound, of all choices together. */
  readonly reservedOutputTokens: number;
  /** The output of the call under a budget, if its caller named no output limit; null: the caller named one. */
  readonly defaultOutput: DefaultOutput | null;
  /** The same with a closer bound of the input, computed only if this one does not fit a budget; null: no bound is closer. */
  readonly closer: (() => Reservation) | null;
  /** How many answers share the output: the granted output is a multiple of this. */
  readonly choices: number;
  /** The field whose content has no known bound, so that no limit of tokens or cost can judge the call; null: no such field. */
  readonly boundless: string | null;
  /** The field for which `price` is null although the model has one; null or absent: no such field. */
  readonly unpriced?: string | null;
  /** The most that a token can cost, in millionths of a micro-dollar; null: the model has no known price. */
  readonly price: TokenPrice | null;
}

/** The kind of call. */
type Operation = 'chat' | 'embeddings' | 'responses';

/** Output tokens, of all choices together. */
export interface DefaultOutput {
  /** The default, if neither the key nor the tenant has its own. */
  readonly tokens: number;
  /** The most that the model produces; null: not known. */
  readonly most: number | null;
}

/** A call whose answer is known already: it is admitted and settled together, as one request of no tokens and no cost. */
export interface AnsweredCall extends Reservation {
  /** How long it took to find the answer. */
  readonly latencyMs: number;
}

interface TokenPrice {
  readonly inputPicoUsd: bigint;
  readonly outputPicoUsd: bigint;
}

/** What a reserved call may do. */
export interface Admission {
  /** Whether a limit of tokens or cost judged the call: then it must not produce more than `outputTokens`. */
  readonly limited: boolean;
  /** Of all choices together: the requested output, or the room that was left. */
  readonly outputTokens: number;
  /** The renewing budget of tokens with the least room; absent: no such budget judged the call. */
  readonly tokenRoom?: TokenRoom;
}

export interface TokenRoom {
  /** Tokens besides those that the call may use. */
  readonly left: number;
  readonly limit: number;
  readonly renewsInMs: number;
}

/** How a call ended. `NOT_SENT`: admission failed after the reservation may have been written. */
export type Outcome =
  'OK' | 'UPSTREAM_ERROR' | 'UPSTREAM_TIMEOUT' | 'UPSTREAM_BROKEN' | 'CLIENT_ABORTED' | 'SHUTDOWN' | 'NOT_SENT';

/** The truth about a finished call. */
export interface Settlement {
  readonly id: string;
  /** The reservation's tenant. */
  readonly tenantId: string;
  readonly outcome: Outcome;
  /** The upstream's status, if it answered. */
  readonly statusCode: number | null;
  readonly inputTokens: number;
  /** The input tokens that the provider had in its cache. */
  readonly cachedInputTokens: number;
  /** The input tokens that the provider wrote to its cache. */
  readonly cacheWriteTokens: number;
  readonly outputTokens: number;
  /** The output tokens that the model used for reasoning. */
  readonly reasoningTokens: number;
  /** In millionths of a micro-dollar; null: the model has no known price. */
  readonly costPicoUsd: bigint | null;
  /** False: the upstream produced nothing, and the request is given back. */
  readonly counted: boolean;
  /** True: the provider reported no tokens, and they were counted here. */
  readonly estimated: boolean;
  /** From the reservation to the last byte. */
  readonly latencyMs: number;
  /** From the reservation to the first byte of the provider's answer; null: no answer came. */
  readonly firstByteMs: number | null;
}
