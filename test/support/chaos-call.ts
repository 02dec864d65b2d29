/** A chat completion on behalf of a human, with a caller who waits, reads slowly or hangs up. */
import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { eventually } from './eventually.js';
import { UPSTREAM_MODEL, type UpstreamRequest } from './openai-upstream.js';

let calls = 0;

export class ChaosCall {
  /** Its request id and the user in its body, which identify the call in the ledger and upstream. */
  readonly marker = `chaos-${process.pid}-${(calls += 1)}`;
  readonly startedAt = performance.now();
  endedAt = Infinity;
  status = 0;
  headers: IncomingHttpHeaders = {};
  text = '';
  /** The answer ended properly. */
  whole = false;
  /** The number of a stream's events that have arrived. */
  events = 0;
  private last = '';
  private awaited: { readonly events: number; readonly come: () => void } | null = null;
  private readonly request: ClientRequest;
  private response: IncomingMessage | null = null;

  /** @param reads false: reads only the answer's head until `read()` */
  constructor(baseUrl: string, key: string, human: string, fields: object = {}, reads = true) {
    this.request = http.request(new URL('/v1/chat/completions', baseUrl), {
      method: 'POST',
      agent: false,
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${key}`,
        'x-human-id': human,
        'x-request-id': this.marker,
      },
    });
    this.request.on('error', () => undefined);
    this.request.on('close', () => (this.endedAt = performance.now()));
    this.request.on('response', (response) => {
      this.response = response;
      this.status = response.statusCode ?? 0;
      this.headers = response.headers;
      response.on('error', () => undefined);
      response.on('end', () => (this.whole = true));
      if (reads) this.read();
    });
    const messages = [{ role: 'user', content: 'Count, please.' }];
    this.request.end(JSON.stringify({ model: UPSTREAM_MODEL, messages, user: this.marker, ...fields }));
  }

  read(): void {
    this.response?.setEncoding('utf8').on('data', (text: string) => {
      const seam = this.last + text;
      this.last = text.slice(-1);
      this.text += text;
      for (let at = seam.indexOf('\n\n'); at !== -1; at = seam.indexOf('\n\n', at + 2)) this.events += 1;
      if (this.awaited !== null && this.events >= this.awaited.events) this.awaited.come();
    });
  }

  /** Resolves in the same turn in which the stream's `count`th event arrives. */
  eventsCame(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.awaited = { events: count, come: resolve };
      if (this.events >= count) resolve();
    });
  }

  get isOver(): boolean {
    return this.endedAt !== Infinity;
  }

  /** Waits until this text has arrived. */
  async until(text: string): Promise<void> {
    await eventually(() => this.text.includes(text));
  }

  /** Waits until the call has ended, in any way. */
  async over(): Promise<this> {
    await eventually(() => this.isOver, 30_000);
    return this;
  }

  hangUp(): void {
    this.request.destroy();
  }
}

export function markerOf({ body }: UpstreamRequest): string {
  return (JSON.parse(body.toString()) as { user: string }).user;
}
