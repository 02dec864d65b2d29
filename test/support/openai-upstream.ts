import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { embeddings } from './openai-embeddings.js';

/** OpenAI's `usage`. */
export interface UpstreamUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

/** The stand-in's reaction to one call of a model; `after`: only once this has resolved. */
export type UpstreamAnswer = { readonly after?: Promise<unknown> } & AnswerKind;

type AnswerKind =
  /** A whole body: an object is sent as JSON, text and bytes unchanged. `delayMs` before the first byte. */
  | {
      readonly kind: 'body';
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string | string[]>>;
      readonly body: unknown;
      readonly delayMs?: number;
    }
  /**
   * Server-sent events: objects become `data: …` events, text and bytes are sent unchanged; a promise holds back itself and
   * everything after it. `[DONE]` follows unless `done` is false. After `breakAfter` pieces the connection is cut, after
   * `stallAfter` nothing more is sent.
   */
  | {
      readonly kind: 'stream';
      readonly pieces: readonly unknown[];
      readonly headers?: Readonly<Record<string, string | string[]>>;
      readonly delayMs?: number;
      readonly done?: boolean;
      readonly breakAfter?: number;
      readonly stallAfter?: number;
    }
  /** Never answers. */
  | { readonly kind: 'hang' }
  /** Cuts the connection before a byte. */
  | { readonly kind: 'cut' }
  /** Announces a body, sends a part of it and cuts the connection. */
  | { readonly kind: 'break'; readonly part: string };

export interface UpstreamRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  /** The caller went away before the answer was complete. */
  aborted: boolean;
  /** The answer was sent to its end. */
  answered: boolean;
  /** The number of a stream's pieces that the network accepted. */
  sent: number;
}

export const UPSTREAM_MODEL = 'gpt-4o-mini';
const CREATED = 1_767_225_600;
const ID = 'chatcmpl-B7x2Qk9VtYhN4mPz';
const USAGE: UpstreamUsage = usageOf(9, 12);

/**
 * An OpenAI-compatible provider on loopback. Answers come from a queue, one for each chat completion. Once it is empty, it
 * answers as the real one would: JSON or a stream as requested, usage in a stream only where requested. It keeps every request.
 */
export class OpenaiUpstream {
  /** The models of `GET /models`; null: 404, as from servers that keep no list. */
  models: readonly string[] | null = [UPSTREAM_MODEL];
  /** The answers once the queue is empty. */
  otherwise: (request: UpstreamRequest) => UpstreamAnswer | Promise<UpstreamAnswer> = ordinaryAnswer;
  /** Calls of models in the order of their arrival. */
  readonly requests: UpstreamRequest[] = [];
  /** All other requests: `GET /models`. */
  readonly otherRequests: UpstreamRequest[] = [];
  private readonly queue: UpstreamAnswer[] = [];
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private port: number,
  ) {}

  static async start(): Promise<OpenaiUpstream> {
    const server = createServer({ keepAliveTimeout: 30_000 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const upstream = new OpenaiUpstream(server, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => {
      upstream.sockets.add(socket);
      socket.on('close', () => upstream.sockets.delete(socket));
    });
    server.on('request', (request, response) => {
      upstream.receive(request, response).catch(() => response.destroy());
    });
    return upstream;
  }

  /** The value for `OPENAI_BASE_URL`. */
  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  /** Queues the next answer. */
  next(answer: UpstreamAnswer): this {
    this.queue.push(answer);
    return this;
  }

  /** Waits until `count` chat completions have arrived, and returns the last of them. */
  async request(count = 1): Promise<UpstreamRequest> {
    await until(() => this.requests.length >= count, `${count} chat completions upstream`);
    return this.requests[count - 1] as UpstreamRequest;
  }

  /** Waits until the `count`th chat completion's caller went away. */
  async abort(count = 1): Promise<void> {
    const request = await this.request(count);
    await until(() => request.aborted, 'the call upstream to be aborted');
  }

  /** Forgets earlier requests, queued answers, and the default answer. */
  reset(): void {
    this.otherwise = ordinaryAnswer;
    this.requests.length = 0;
    this.otherRequests.length = 0;
    this.queue.length = 0;
    this.models = [UPSTREAM_MODEL];
  }

  /** Stops listening, and cuts every connection; further calls are refused. */
  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const received: UpstreamRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      body: await bytesOf(request),
      aborted: false,
      answered: false,
      sent: 0,
    };
    response.on('close', () => {
      received.answered = response.writableFinished;
      received.aborted = !response.writableFinished && !cut.has(response);
    });
    if (received.method !== 'POST' || !CALLS.test(received.path.split('?')[0]!)) {
      this.otherRequests.push(received);
      this.answerOther(received, response);
      return;
    }
    this.requests.push(received);
    await send(response, this.queue.shift() ?? (await this.otherwise(received)), received);
  }

  private answerOther(request: UpstreamRequest, response: ServerResponse): void {
    if (request.path.split('?')[0] === '/v1/models' && this.models !== null) {
      const data = this.models.map((id) => ({ id, object: 'model', created: CREATED, owned_by: 'upstream' }));
      sendJson(response, 200, { object: 'list', data });
    } else {
      sendJson(response, 404, errorBody('Not found.', 'invalid_request_error'));
    }
  }
}

const CALLS = /\/(?:chat\/completions|embeddings|responses)$/;

/** Responses that the stand-in itself cut off. */
const cut = new WeakSet<ServerResponse>();

function destroy(response: ServerResponse): void {
  cut.add(response);
  response.destroy();
}

async function send(response: ServerResponse, answer: UpstreamAnswer, request: UpstreamRequest): Promise<void> {
  await answer.after;
  switch (answer.kind) {
    case 'body': {
      if (answer.delayMs !== undefined) await sleep(answer.delayMs);
      const raw = typeof answer.body === 'string' || Buffer.isBuffer(answer.body);
      const bytes = Buffer.from(raw ? (answer.body as string) : JSON.stringify(answer.body));
      response.writeHead(answer.status ?? 200, {
        'content-type': 'application/json',
        'content-length': bytes.length,
        ...answer.headers,
      });
      response.end(bytes);
      return;
    }
    case 'stream':
      await sendStream(response, answer, request);
      return;
    case 'hang':
      return;
    case 'cut':
      destroy(response);
      return;
    case 'break':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.part.length + 1000 });
      response.write(answer.part, () => destroy(response));
  }
}

async function sendStream(
  response: ServerResponse,
  answer: Extract<UpstreamAnswer, { kind: 'stream' }>,
  request: UpstreamRequest,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...answer.headers });
  response.flushHeaders();
  const pieces = answer.done === false ? answer.pieces : [...answer.pieces, DONE];
  for (const [index, piece] of pieces.entries()) {
    if (answer.breakAfter === index) {
      destroy(response);
      return;
    }
    if (answer.stallAfter === index) return;
    if (answer.delayMs !== undefined) await sleep(answer.delayMs);
    if (response.destroyed) return;
    const given: unknown = await piece;
    const asIs = typeof given === 'string' || Buffer.isBuffer(given);
    if (await write(response, asIs ? given : eventOf(given))) request.sent += 1;
  }
  response.end();
}

/** Waits until the bytes have left (true), or the caller has gone. */
function write(response: ServerResponse, bytes: string | Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = (): void => resolve(false);
    response.on('close', gone);
    response.write(bytes, (error) => {
      response.off('close', gone);
      resolve(error === undefined || error === null);
    });
  });
}

/** OpenAI's usual answer: JSON or a stream as requested, usage in a stream only where requested. */
export function ordinaryAnswer({ body, path }: Pick<UpstreamRequest, 'body'> & { path?: string }): UpstreamAnswer {
  if (path?.includes('/embeddings') === true) return { kind: 'body', body: embeddings(body) };
  const asked = JSON.parse(body.toString('utf8')) as {
    stream?: boolean;
    model: string;
    stream_options?: { include_usage?: boolean } | null;
  };
  if (asked.stream !== true) return { kind: 'body', body: completion({ model: asked.model }) };
  const usage = asked.stream_options?.include_usage === true ? USAGE : undefined;
  return { kind: 'stream', pieces: streamPieces({ model: asked.model, ...(usage === undefined ? {} : { usage }) }) };
}

interface Said {
  readonly model?: string;
  readonly words?: readonly string[];
  /** Absent in the default JSON answer: the default usage; null: no usage is reported. */
  readonly usage?: UpstreamUsage | null;
}

const WORDS = ['Hello', ' from', ' the', ' upstream', '.'];

/** A JSON answer. */
export function completion({ model = UPSTREAM_MODEL, words = WORDS, usage = USAGE }: Said = {}): object {
  const message = { role: 'assistant', content: words.join(''), refusal: null };
  return {
    id: ID,
    object: 'chat.completion',
    created: CREATED,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    ...(usage === null ? {} : { usage }),
    system_fingerprint: 'fp_0aa8d3e20b',
  };
}

/** A stream's chunks; with `usage` the others carry `"usage":null` and a chunk without choices comes last, as with OpenAI. */
export function streamPieces({ model = UPSTREAM_MODEL, words = WORDS, usage = null }: Said = {}): object[] {
  const envelope = { id: ID, object: 'chat.completion.chunk', created: CREATED, model };
  const chunk = (delta: object, finishReason: string | null = null): object => ({
    ...envelope,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    ...(usage === null ? {} : { usage: null }),
  });
  return [
    chunk({ role: 'assistant', content: '' }),
    ...words.map((content) => chunk({ content })),
    chunk({}, 'stop'),
    ...(usage === null ? [] : [usageChunk(usage)]),
  ];
}

/** The chunk that has only usage. */
export function usageChunk(usage: UpstreamUsage = USAGE, model = UPSTREAM_MODEL): object {
  return { id: ID, object: 'chat.completion.chunk', created: CREATED, model, choices: [], usage };
}

export function usageOf(promptTokens: number, completionTokens: number): UpstreamUsage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

/** OpenAI's error body. */
export function errorBody(
  message: string,
  type: string,
  code: string | null = null,
  param: string | null = null,
): object {
  return { error: { message, type, param, code } };
}

export const DONE = 'data: [DONE]\n\n';

export function eventOf(piece: unknown): string {
  return `data: ${JSON.stringify(piece)}\n\n`;
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const PATIENCE_MS = 30_000;

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}.`);
    await sleep(5);
  }
}
