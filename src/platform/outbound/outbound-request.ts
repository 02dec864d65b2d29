import type { IncomingHttpHeaders } from 'node:http';

/**
 * Who chose the address. `operator`: it stands in the configuration, and is trusted as that is. `tenant`: anything else
 * (issuers, webhooks, provider endpoints, remote images); then the rules of docs/decisions/0007 hold.
 */
export type OutboundPolicy = 'operator' | 'tenant';

/**
 * - `forbidden`: a tenant may not send us to this address; nothing was sent.
 * - `connect`: no connection (refused, unknown host, TLS, connect timeout); nothing was sent.
 * - `timeout`: the answer did not begin, went silent or did not end in time.
 * - `broken`: the connection ended before the answer did, or what came is not HTTP.
 * - `aborted`: this client was closed.
 * - `too_large`: the answer is larger than the caller takes.
 */
export type OutboundFailure = 'forbidden' | 'connect' | 'timeout' | 'broken' | 'aborted' | 'too_large';

/** Under the policy `tenant` the message names no address that a name led to; the cause may, for the log alone. */
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
  /** It goes to a model provider, and carries the trace of the request that it is made for. */
  readonly traced?: true;
  /** From now until the answer's headers: waiting for a connection, connecting and sending included. */
  readonly firstByteTimeoutMs: number;
  /** Longest silence within the answer; does not run while it is paused. */
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
  /** Under the policy `tenant`: the most that is taken of the answer's body, 64 MiB where nothing is said. */
  readonly maxBytes?: number;
}

/**
 * Hears `onHeaders` once, then any number of `onData`, then `onEnd`; or at any point `onError`, and nothing after it.
 * What it throws ends the call and comes back to it as `onError`.
 */
export interface OutboundHandler {
  /**
   * A request that was sent has no answer yet when `firstByteTimeoutMs` are over. True: it is waited for until
   * `totalTimeoutMs`. False, or no such method: the call ends as a timeout.
   */
  onLate?(): boolean;
  onHeaders(status: number, headers: IncomingHttpHeaders): void;
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(error: OutboundError): void;
}

/** A call under way. After `abort` its handler hears nothing more. */
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
