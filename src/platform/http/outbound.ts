import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Pool, type Dispatcher } from 'undici';
import { SETTINGS_TOKEN, type Settings } from '../config/index.js';

/**
 * Who chose the address. `operator`: it stands in the configuration, and is trusted as that is.
 *
 * Addresses that a tenant chooses (issuers, webhooks, provider endpoints, remote images) get a policy of their own here,
 * before the first of them is served: https alone, the resolved address checked as the socket connects (no private,
 * loopback, link-local or metadata address but what the operator allows), and a bound on size and time. Until then no
 * such address may be handed to this client.
 */
export type OutboundPolicy = 'operator';

/**
 * - `connect`: no connection came about (refused, unknown host, TLS, connect timeout); nothing was sent.
 * - `timeout`: the answer did not begin, went silent or did not end in time.
 * - `broken`: the connection ended before the answer did, or what came is not HTTP.
 * - `aborted`: this client was closed.
 * - `too_large`: the answer is larger than the caller takes.
 */
export type OutboundFailure = 'connect' | 'timeout' | 'broken' | 'aborted' | 'too_large';

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
  readonly method: 'GET' | 'POST';
  /** Names and values in turn. The same array may serve any number of requests. */
  readonly headers: string[];
  readonly body?: Buffer | string;
  /** From now until the answer's headers: waiting for a connection, connecting and sending included. */
  readonly firstByteTimeoutMs: number;
  /** Longest silence within the answer; does not run while it is paused. */
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
}

/**
 * Hears `onHeaders` once, then any number of `onData`, then `onEnd`; or at any point `onError`, and nothing after it.
 * What it throws ends the call and comes back to it as `onError`.
 */
export interface OutboundHandler {
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

/** Beyond these a call waits for a connection; that wait counts as waiting for the first byte. */
const CONNECTIONS_PER_ORIGIN = 512;

/**
 * The one way out of this service: whatever it sends to another system goes through here. Redirects are never followed,
 * since their target was not judged.
 */
@Injectable()
export class OutboundHttp implements OnApplicationShutdown {
  private readonly pools = new Map<string, Pool>();
  private readonly connectTimeoutMs: number;

  constructor(@Inject(SETTINGS_TOKEN) settings: Pick<Settings, 'connectTimeoutMs'>) {
    this.connectTimeoutMs = settings.connectTimeoutMs;
  }

  /** Sends a request and hands the answer to `handler` as it comes. Never throws; may fail before it returns. */
  dispatch(request: OutboundRequest, handler: OutboundHandler): OutboundCall {
    const pool = this.pools.get(request.origin) ?? this.openPool(request.origin);
    const call = new Call(handler, request.firstByteTimeoutMs, request.totalTimeoutMs);
    pool.dispatch(
      {
        path: request.path,
        method: request.method,
        headers: request.headers,
        body: request.body ?? null,
        // The wait for headers is the call's own timer: undici's starts only when a connection is there.
        headersTimeout: 0,
        bodyTimeout: request.idleTimeoutMs,
      },
      call,
    );
    return call;
  }

  /**
   * GETs a JSON document. Any status is an answer; `body` is undefined where it is not JSON.
   *
   * @throws OutboundError
   */
  fetchJson(
    url: string,
    options: {
      readonly timeoutMs: number;
      readonly maxBytes: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly policy?: OutboundPolicy;
    },
  ): Promise<{ status: number; headers: IncomingHttpHeaders; body: unknown }> {
    return new Promise((resolve, reject) => {
      const { origin, pathname, search } = new URL(url);
      const collector = new JsonCollector(options.maxBytes, resolve, reject);
      collector.call = this.dispatch(
        {
          policy: options.policy ?? 'operator',
          origin,
          path: pathname + search,
          method: 'GET',
          headers: ['accept', 'application/json', ...Object.entries(options.headers ?? {}).flat()],
          firstByteTimeoutMs: options.timeoutMs,
          idleTimeoutMs: options.timeoutMs,
          totalTimeoutMs: options.timeoutMs,
        },
        collector,
      );
    });
  }

  /** Closes every connection; what is still under way fails as `aborted`. */
  async onApplicationShutdown(): Promise<void> {
    const pools = [...this.pools.values()];
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  private openPool(origin: string): Pool {
    const pool = new Pool(origin, {
      connections: CONNECTIONS_PER_ORIGIN,
      pipelining: 1,
      // One call, one connection: back-pressure on a stream then never holds up another one.
      allowH2: false,
      connect: { timeout: this.connectTimeoutMs },
    });
    this.pools.set(origin, pool);
    return pool;
  }
}

/** One call: undici's handler, the caller's handle and the bookkeeping of its timeouts in a single object. */
class Call implements OutboundCall, Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | null = null;
  private timer: NodeJS.Timeout;
  private answered = false;
  private done = false;

  constructor(
    private readonly handler: OutboundHandler,
    firstByteTimeoutMs: number,
    private readonly totalTimeoutMs: number,
  ) {
    this.timer = setTimeout(onFirstTimer, Math.min(firstByteTimeoutMs, totalTimeoutMs), this, firstByteTimeoutMs);
  }

  abort(): void {
    if (this.done) return;
    this.finish();
    this.controller?.abort(ABANDONED);
  }

  pause(): void {
    this.controller?.pause();
  }

  resume(): void {
    if (!this.done) this.controller?.resume();
  }

  /** The first timer ran out: too late for an answer that has not begun, else the rest of the whole time begins. */
  expireFirst(elapsedMs: number): void {
    if (this.answered && elapsedMs < this.totalTimeoutMs) {
      this.timer = setTimeout(onLastTimer, this.totalTimeoutMs - elapsedMs, this);
    } else {
      this.expire();
    }
  }

  expire(): void {
    this.fail('timeout', this.answered ? 'The answer took too long.' : 'The answer did not begin in time.');
    this.controller?.abort(ABANDONED);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // Given up while it waited for a connection: let it go before a byte is sent.
    if (this.done) controller.abort(ABANDONED);
  }

  onResponseStart(_controller: unknown, status: number, headers: IncomingHttpHeaders): void {
    if (this.done || status < 200) return;
    this.answered = true;
    this.handler.onHeaders(status, headers);
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    if (!this.done) this.handler.onData(chunk);
  }

  onResponseEnd(): void {
    if (this.done) return;
    this.finish();
    try {
      this.handler.onEnd();
    } catch (error) {
      this.handler.onError(new OutboundError('broken', 'The answer could not be taken in.', error));
    }
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.done) return;
    this.fail(this.reasonOf(error), error.message, error);
  }

  private reasonOf(error: Error): OutboundFailure {
    const code = 'code' in error ? error.code : undefined;
    if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') return 'aborted';
    if (this.controller === null) return 'connect';
    return code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT' ? 'timeout' : 'broken';
  }

  private fail(reason: OutboundFailure, message: string, cause?: unknown): void {
    this.finish();
    this.handler.onError(new OutboundError(reason, message, cause));
  }

  private finish(): void {
    this.done = true;
    clearTimeout(this.timer);
  }
}

/** Told to undici alone, to let go of a connection; one object for all, since nobody reads its stack. */
const ABANDONED = new Error('The call was abandoned.');

function onFirstTimer(call: Call, elapsedMs: number): void {
  call.expireFirst(elapsedMs);
}

function onLastTimer(call: Call): void {
  call.expire();
}

class JsonCollector implements OutboundHandler {
  call: OutboundCall | null = null;
  private status = 0;
  private headers: IncomingHttpHeaders = {};
  private readonly chunks: Buffer[] = [];
  private size = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly resolve: (answer: { status: number; headers: IncomingHttpHeaders; body: unknown }) => void,
    private readonly reject: (error: OutboundError) => void,
  ) {}

  onHeaders(status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.headers = headers;
  }

  onData(chunk: Buffer): void {
    this.size += chunk.length;
    if (this.size > this.maxBytes) {
      this.call?.abort();
      this.onError(new OutboundError('too_large', `The answer is larger than ${this.maxBytes} bytes.`));
    } else {
      this.chunks.push(chunk);
    }
  }

  onEnd(): void {
    this.resolve({
      status: this.status,
      headers: this.headers,
      body: parseJson(Buffer.concat(this.chunks, this.size)),
    });
  }

  onError(error: OutboundError): void {
    this.reject(error);
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
