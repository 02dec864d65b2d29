/** What is committed before a call goes upstream. */
export interface Reservation {
  /** UUID v7, made by the caller: an unknown commit can be asked after, and a retry counts once. */
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string | null;
  readonly userId: string | null;
  /** Whose limits it is charged to; created with the reservation. */
  readonly human: string | null;
  /** What holds budgets beside the tenant, the key and the human, where the call came by it; null: it did not. */
  readonly gatewayId: string | null;
  readonly gatewayTokenId: string | null;
  /** A sealed token is stored nowhere: SHA-256 of its `jti`, in hex. */
  readonly sealedTokenHash: string | null;
  /** Set where the key acts on the human's behalf: the audit log's row is written with the reservation. */
  readonly impersonated: { readonly route: string; readonly address: string } | null;
  readonly requestId: string;
  readonly operation: Operation;
  /** The tenant's own name of the route; null: the caller named a model. */
  readonly route: string | null;
  /** Counts the call's attempts from 1. Each that may be billed is a row of its own. */
  readonly attempt: number;
  readonly provider: string;
  readonly model: string;
  readonly streamed: boolean;
  /** Upper bounds; what an orphan is charged. */
  readonly reservedInputTokens: number;
  /** Of all choices together. */
  readonly reservedOutputTokens: number;
  /** What the call is given under a budget where its caller named no output limit; null: the caller named one. */
  readonly defaultOutput: DefaultOutput | null;
  /** The same with a closer bound of its input, made only where this one does not fit a budget; null: none is closer. */
  readonly closer: (() => Reservation) | null;
  /** How many answers share the output: what is granted of it is a multiple of this. */
  readonly choices: number;
  /** The field whose content has no known bound, so that no limit of tokens or cost can judge the call; null: none. */
  readonly boundless: string | null;
  /** The field for which `price` is null although the model has one; null or absent: no such field. */
  readonly unpriced?: string | null;
  /** What a token costs at most, in millionths of a micro-dollar; null: the model has no known price. */
  readonly price: TokenPrice | null;
}

/** What was asked for. */
type Operation = 'chat' | 'embeddings' | 'responses';

/** Of all choices together. */
export interface DefaultOutput {
  /** Where neither the key nor the tenant has a default of its own. */
  readonly tokens: number;
  /** The most that the model produces; null: not known. */
  readonly most: number | null;
}

/** A call whose answer is at hand: it is settled with its admission, as one request of no tokens and no cost. */
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
  /** Whether a limit of tokens or cost judged it: then it must not produce more than `outputTokens`. */
  readonly limited: boolean;
  /** Of all choices together: what was asked for, or the room that was left. */
  readonly outputTokens: number;
  /** Of the renewing budget of tokens that has the least room; absent: none judged the call. */
  readonly tokenRoom?: TokenRoom;
}

export interface TokenRoom {
  /** Tokens, beside those that the call may use. */
  readonly left: number;
  readonly limit: number;
  readonly renewsInMs: number;
}

/** How a call ended. `NOT_SENT`: admission failed after the reservation may have been written. */
export type Outcome =
  'OK' | 'UPSTREAM_ERROR' | 'UPSTREAM_TIMEOUT' | 'UPSTREAM_BROKEN' | 'CLIENT_ABORTED' | 'SHUTDOWN' | 'NOT_SENT';

/** The truth about a call, known once it is over. */
export interface Settlement {
  readonly id: string;
  /** The reservation's. */
  readonly tenantId: string;
  readonly outcome: Outcome;
  /** The upstream's status, if it answered. */
  readonly statusCode: number | null;
  readonly inputTokens: number;
  /** Of the input, what the provider had in its cache. */
  readonly cachedInputTokens: number;
  /** Of the input, what the provider wrote to its cache. */
  readonly cacheWriteTokens: number;
  readonly outputTokens: number;
  /** Of the output, what the model thought with. */
  readonly reasoningTokens: number;
  /** In millionths of a micro-dollar; null: the model has no known price. */
  readonly costPicoUsd: bigint | null;
  /** False where the upstream produced nothing: the request is given back. */
  readonly counted: boolean;
  /** True where the provider did not say and the tokens were counted here. */
  readonly estimated: boolean;
  /** From the reservation to the last byte. */
  readonly latencyMs: number;
}
