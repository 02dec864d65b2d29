import type { IncomingHttpHeaders } from 'node:http';
import { tooLarge } from './outbound-answer.js';
import {
  OutboundError,
  type OutboundCall,
  type OutboundHandler,
  type OutboundPolicy,
  type OutboundRequest,
} from './outbound-request.js';

export type Fetch = typeof globalThis.fetch;

export interface FetchOptions {
  readonly policy: OutboundPolicy;
  /** The origins that the package's credential is for. A request to any other one fails, and is not sent. */
  readonly origins: readonly string[];
  readonly timeouts: Pick<OutboundRequest, 'firstByteTimeoutMs' | 'idleTimeoutMs' | 'totalTimeoutMs'>;
  /** The most bytes that an answer's body may have. */
  readonly maxBytes: number;
  /** As in `OutboundRequest`. */
  readonly traced?: true;
  /** Sees each request byte for byte before it is sent; an error thrown here stops it. */
  readonly onRequest?: (url: URL, body: Buffer | string | null) => void;
  /** As in `OutboundHandler`: whether an answer that did not begin in time is waited for. */
  readonly onLate?: () => boolean;
  /**
   * Called when an answer breaks off. The body then ends as if it were whole, so that the part that arrived is read; without
   * this callback the body fails, and its unread part is lost.
   */
  readonly onBroken?: (error: OutboundError) => void;
  /** Sees an answer's pieces before other readers; false: the body is too large. */
  readonly takes?: (chunk: Buffer) => boolean;
  /** Reads its own part of an answer's body; the package reads the rest. */
  readonly filter?: BodyFilter;
  /** Gets the call, so that it can pause it where a filter reads much of the body. */
  readonly onCall?: (call: Pick<OutboundCall, 'pause' | 'resume'>) => void;
}

export interface BodyFilter {
  /** @returns the rest for the package; null: nothing */
  take(chunk: Buffer): Buffer | null;
  /** The body has ended, whole or not. */
  end(): Buffer | null;
}

type Dispatch = (request: OutboundRequest, handler: OutboundHandler) => OutboundCall;

/** Headers of the connection or of the caller's identity: this service sets them, whatever a package asks for. */
const OURS = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
]);
/** The server's headers for the connection or for a browser. */
const NOT_FOR_PACKAGES = new Set(['connection', 'keep-alive', 'set-cookie', 'transfer-encoding']);
const BUFFERED_BYTES = 64 * 1024;
const WITHOUT_BODY = new Set([204, 205, 304]);

/**
 * A `fetch` through OutboundHttp, for packages that speak a provider's dialect. Each request is one attempt under the options'
 * policy, time-outs and size; a redirect is an answer. A slow reader slows the server down.
 */
export function fetchOver(dispatch: Dispatch, options: FetchOptions): Fetch {
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (input instanceof Request) throw new TypeError('A request must be given as an address and its options.');
    // A request to another origin would carry the credential there.
    if (!options.origins.includes(url.origin))
      throw new OutboundError('forbidden', 'The credential is not for this address.');
    const request = requestOf(url, init, options);
    const { signal } = init;
    signal?.throwIfAborted();
    options.onRequest?.(url, request.body ?? null);
    return new Promise<Response>((resolve, reject) => {
      const exchange = new FetchExchange(options, signal ?? null, resolve, reject);
      const call = dispatch(request, exchange);
      options.onCall?.(call);
      exchange.begin(call);
    });
  };
}

function requestOf(url: URL, init: RequestInit, { policy, timeouts, maxBytes, traced }: FetchOptions): OutboundRequest {
  const method = (init.method ?? 'GET').toUpperCase();
  if (method !== 'GET' && method !== 'POST') throw new TypeError(`Only GET and POST go out, not ${method}.`);
  const headers = ['accept-encoding', 'identity', 'user-agent', 'gatehouse'];
  for (const [name, value] of new Headers(init.headers)) if (!OURS.has(name)) headers.push(name, value);
  const body = bodyOf(init.body);
  return {
    policy,
    origin: url.origin,
    path: url.pathname + url.search,
    method,
    headers,
    ...(body === null ? {} : { body }),
    ...timeouts,
    maxBytes,
    ...(traced === true ? { traced } : {}),
  };
}

function bodyOf(body: RequestInit['body']): Buffer | string | null {
  if (body === undefined || body === null || typeof body === 'string') return body ?? null;
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  throw new TypeError('A body must be text or bytes.');
}

/** One exchange: undici's events in, a `Response` with a stream out. */
class FetchExchange implements OutboundHandler {
  private call: OutboundCall | null = null;
  private controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  private size = 0;
  private isOver = false;
  private readonly onAbort = (): void => this.stop(this.signal?.reason);

  constructor(
    private readonly options: Pick<FetchOptions, 'maxBytes' | 'takes' | 'onLate' | 'onBroken' | 'filter'>,
    private readonly signal: AbortSignal | null,
    private readonly resolve: (response: Response) => void,
    private readonly reject: (error: unknown) => void,
  ) {
    signal?.addEventListener('abort', this.onAbort, { once: true });
  }

  begin(call: OutboundCall): void {
    this.call = call;
    if (this.isOver) call.abort();
  }

  onLate(): boolean {
    return this.options.onLate?.() === true;
  }

  onHeaders(status: number, headers: IncomingHttpHeaders): void {
    const shown = new Headers();
    for (const [name, value] of Object.entries(headers)) {
      if (NOT_FOR_PACKAGES.has(name)) continue;
      for (const one of [value ?? []].flat()) shown.append(name, one);
    }
    const body = WITHOUT_BODY.has(status) ? null : this.stream();
    this.resolve(new Response(body, { status, headers: shown }));
  }

  onData(chunk: Buffer): void {
    this.size += chunk.length;
    if (this.isOver) return;
    if (this.size > this.options.maxBytes || this.options.takes?.(chunk) === false) {
      this.stop(tooLarge(this.options.maxBytes));
      return;
    }
    const { filter } = this.options;
    this.enqueue(filter === undefined ? chunk : filter.take(chunk));
    if ((this.controller?.desiredSize ?? 1) <= 0) this.call?.pause();
  }

  onEnd(): void {
    if (this.isOver) return;
    this.end();
    this.close();
  }

  onError(error: OutboundError): void {
    const { onBroken } = this.options;
    if (this.isOver || this.controller === null || onBroken === undefined) {
      this.fail(error);
      return;
    }
    this.end();
    onBroken(error);
    this.close();
  }

  private enqueue(chunk: Buffer | null): void {
    if (chunk !== null) this.controller?.enqueue(new Uint8Array(chunk));
  }

  private close(): void {
    this.enqueue(this.options.filter?.end() ?? null);
    this.controller?.close();
  }

  private stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.controller = controller;
        },
        pull: () => this.call?.resume(),
        cancel: () => {
          this.end();
          this.call?.abort();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: BUFFERED_BYTES }),
    );
  }

  /** Ends the exchange from our side. */
  private stop(reason: unknown): void {
    this.call?.abort();
    this.fail(reason);
  }

  private fail(error: unknown): void {
    if (this.isOver) return;
    this.end();
    this.controller?.error(error);
    // Does nothing if there is a response already.
    this.reject(error);
  }

  private end(): void {
    this.isOver = true;
    this.signal?.removeEventListener('abort', this.onAbort);
  }
}
