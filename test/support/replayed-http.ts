/**
 * The outbound client without a network: a stand-in's answer arrives in exactly the chunks that a test gives, and no faster
 * than it is read.
 */
import { OutboundError, OutboundHttp } from '../../src/platform/outbound/index.js';
import type { OutboundCall, OutboundHandler, OutboundRequest } from '../../src/platform/outbound/outbound-request.js';
import type { Answerer } from './wire-upstream.js';

export interface Replay {
  readonly chunks: Iterable<Buffer>;
  /** The connection breaks after the chunks, instead of ending. */
  readonly breaks?: boolean;
}

export class ReplayedHttp extends OutboundHttp {
  /** The number of an answer's bytes that were passed on. */
  given = 0;
  /** The chunks in which the bytes of an answer arrive. */
  replay: (bytes: Buffer) => Replay = (bytes) => ({ chunks: [bytes] });

  constructor(private readonly answerer: Answerer) {
    super({ connectTimeoutMs: 1_000 });
  }

  override dispatch(request: OutboundRequest, handler: OutboundHandler): OutboundCall {
    const call = new ReplayedCall();
    this.play(request, handler, call).catch((error: unknown) => {
      handler.onError(new OutboundError('broken', 'The replay failed.', error));
    });
    return call;
  }

  private async play(
    { origin, method, path, headers: list, body = '' }: OutboundRequest,
    handler: OutboundHandler,
    call: ReplayedCall,
  ): Promise<void> {
    const headers: Record<string, string> = { host: new URL(origin).host };
    for (let at = 0; at < list.length; at += 2) headers[list[at]!] = list[at + 1]!;
    const rawBody = body.toString();
    const parsed = JSON.parse(rawBody) as Readonly<Record<string, unknown>>;
    const answer = this.answerer({ method, path, headers, rawBody, body: parsed, aborted: false });
    await turn();
    handler.onHeaders(answer.status ?? 200, { ...answer.headers });
    const { chunks, breaks = false } = this.replay(Buffer.concat(answer.chunks.map((chunk) => Buffer.from(chunk))));
    for (const chunk of chunks) {
      await call.taken;
      if (call.isOver) return;
      this.given += chunk.length;
      handler.onData(chunk);
      await turn();
    }
    if (call.isOver) return;
    if (breaks) handler.onError(new OutboundError('broken', 'The connection was reset.'));
    else handler.onEnd();
  }
}

class ReplayedCall implements OutboundCall {
  isOver = false;
  /** Pending while the answer is held back. */
  taken: Promise<void> = Promise.resolve();
  private take: () => void = () => undefined;

  abort(): void {
    this.isOver = true;
    this.take();
  }

  pause(): void {
    this.take();
    this.taken = new Promise((resolve) => (this.take = resolve));
  }

  resume(): void {
    this.take();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
