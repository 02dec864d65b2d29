import type { IncomingHttpHeaders } from 'node:http';

/**
 * Who chose the address. `operator`: it is in the configuration, and is trusted like it. `tenant`: any other address (issuers,
 * webhooks, provider endpoints, remote images); the rules of docs/decisions/0007 apply.
 */
export type OutboundPolicy = 'operator' | 'tenant';

/**
 * - `forbidden`: a tenant must not make us call this address; nothing was sent.
 * - `connect`: no connection (refused, unknown host, TLS, connect timeout); nothing was sent.
 * - `timeout`: the answer did not begin, went silent or did not end in time.
 * - `broken`: the connection ended before the answer did, or the bytes are not HTTP.
 * - `aborted`: this client was closed.
 * - `too_large`: the answer is larger than the caller takes.
 */
export type OutboundFailure = 'forbidden' | 'connect' | 'timeout' | 'broken' | 'aborted' | 'too_large';

/** Under the policy `tenant` the message names no address behind a name; the cause may, for the log alone. */
export class OutboundError extends Error {
  readonly reason: OutboundFailure;

  constructor(reason: OutboundFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'OutboundError';
    this.reason = reason;
  }
}

export interface OutboundRequest {
  readonly policy: OutboundPolicy;
  /** `https://host[:port]` */
  readonly origin: string;
  /** With the query. */
  readonly path: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Names and values in turn. The same array may serve any number of requests. */
  readonly headers: string[];
  readonly body?: Buffer | string;
  /** Set for requests to a model provider: they carry the trace of the request that they serve. */
  readonly traced?: true;
  /** From now until the answer's headers, including the wait for a connection, connecting and sending. */
  readonly firstByteTimeoutMs: number;
  /** Longest silence within the answer; a pause does not count. */
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
  /** Under the policy `tenant`: the most bytes of the answer's body; absent: 64 MiB. */
  readonly maxBytes?: number;
}

/**
 * Gets `onHeaders` once, then any number of `onData`, then `onEnd`; or `onError` at any point, and nothing after it. An error
 * that it throws ends the call and comes back to it as `onError`.
 */
export interface OutboundHandler {
  /**
   * Called when a request that was sent has no answer within `firstByteTimeoutMs`. True: the call waits until `totalTimeoutMs`.
   * False, or no such method: the call ends as a timeout.
   */
  onLate?(): boolean;
  onHeaders(status: number, headers: IncomingHttpHeaders): void;
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(error: OutboundError): void;
}

/** A call under way. After `abort` its handler gets no more events. */
export interface OutboundCall {
  abort(): void;
  pause(): void;
  resume(): void;
}

/** An answer of any status; `body` is undefined where it is not JSON. */
export interface JsonAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}
