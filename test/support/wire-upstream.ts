/** A server on loopback that plays a model provider: its answers follow the provider's published documentation. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ServerCertificate } from './certificates.js';
import { eventually } from './eventually.js';

export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: WireBody;
  /** The body as it was received. */
  readonly rawBody: string;
  /** The caller went away before the answer was complete. */
  aborted: boolean;
}

/** Any request body. Each wire format reads its own fields. */
type WireBody = Readonly<Record<string, unknown>>;

export interface WireAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Written one after another, each in a turn of its own. */
  readonly chunks: readonly (string | Buffer)[];
  /** The connection is cut after the chunks. */
  readonly cut?: boolean;
  /** Nothing more is sent after the chunks, and the connection stays open. */
  readonly stall?: boolean;
  /** Nothing is sent at all. */
  readonly silent?: boolean;
  /** The connection is cut before anything is sent. */
  readonly reset?: boolean;
  /** Sends this many chunks, and the rest once the promise has resolved. */
  readonly hold?: { readonly at: number; readonly until: Promise<unknown> };
  /** Starts only once this has resolved. */
  readonly after?: Promise<unknown>;
  /** Called with the number of chunks that the network has accepted. */
  readonly onWritten?: (count: number) => void;
}

export type Answerer = (request: WireRequest) => WireAnswer;

export class WireUpstream {
  readonly requests: WireRequest[] = [];
  private readonly queue: Answerer[] = [];

  private constructor(
    private readonly server: Server,
    /** The answers once the queue is empty. */
    public otherwise: Answerer,
  ) {}

  /** @param certificate for TLS; absent: plain HTTP */
  static async start(otherwise: Answerer, certificate?: ServerCertificate): Promise<WireUpstream> {
    const options = { keepAliveTimeout: 30_000 };
    const server =
      certificate === undefined ? createServer(options) : https.createServer({ ...options, ...certificate });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const upstream = new WireUpstream(server, otherwise);
    server.on('request', (request, response) => {
      upstream.receive(request, response).catch(() => response.destroy());
    });
    return upstream;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Queues the answer to the next request. */
  next(answer: Answerer | WireAnswer): this {
    this.queue.push(typeof answer === 'function' ? answer : () => answer);
    return this;
  }

  get last(): WireRequest {
    const request = this.requests.at(-1);
    if (request === undefined) throw new Error('Nothing was sent.');
    return request;
  }

  reset(): void {
    this.requests.length = 0;
    this.queue.length = 0;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString('utf8');
    const received: WireRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: text === '' ? {} : (JSON.parse(text) as WireBody),
      rawBody: text,
      aborted: false,
    };
    response.on('close', () => {
      received.aborted = !response.writableFinished;
    });
    this.requests.push(received);
    const answer = (this.queue.shift() ?? this.otherwise)(received);
    const { status = 200, headers = {}, chunks, cut, stall, silent, reset, after, hold, onWritten } = answer;
    if (silent === true) return;
    await after;
    if (reset === true) {
      response.destroy();
      return;
    }
    response.writeHead(status, headers);
    response.flushHeaders();
    for (const [index, chunk] of chunks.entries()) {
      if (hold?.at === index) await hold.until;
      if (response.destroyed) return;
      await new Promise((resolve) => response.write(chunk, resolve));
      onWritten?.(index + 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (cut === true) response.destroy();
    else if (stall !== true) response.end();
  }
}

export function jsonAnswer(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): WireAnswer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, chunks: [JSON.stringify(body)] };
}

/** A text in the pieces of a model's stream. */
export function piecesOf(text: string, length = 5): string[] {
  return text.match(new RegExp(`.{1,${length}}`, 'gsu')) ?? [];
}

/** Waits until the last request's caller has gone away. */
export async function hungUp(upstream: WireUpstream): Promise<void> {
  await eventually(() => upstream.last.aborted);
}
