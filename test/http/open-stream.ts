/** A streamed completion under a test's control: read as it arrives, and left when the test says so. */
import http, { type ClientRequest, type IncomingHttpHeaders } from 'node:http';
import { eventually } from '../support/eventually.js';
import type { ServiceClient } from '../support/service.js';

export class OpenStream {
  status = 0;
  headers: IncomingHttpHeaders = {};
  text = '';
  /** The answer ended properly. */
  ended = false;
  /** The connection broke before the end. */
  broken = false;

  private constructor(private readonly request: ClientRequest) {
    request.on('error', () => (this.broken = true));
    request.on('response', (response) => {
      this.status = response.statusCode ?? 0;
      this.headers = response.headers;
      response.setEncoding('utf8');
      response.on('data', (text: string) => (this.text += text));
      response.on('end', () => (this.ended = true));
      response.on('error', () => (this.broken = true));
    });
  }

  static start(
    service: Pick<ServiceClient, 'baseUrl'>,
    key: string,
    body: object,
    headers: Readonly<Record<string, string>> = {},
    path = '/v1/chat/completions',
  ): OpenStream {
    const request = http.request(new URL(path, service.baseUrl), {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers },
    });
    request.end(JSON.stringify(body));
    return new OpenStream(request);
  }

  /** Waits until this text has arrived. */
  async until(text: string): Promise<void> {
    await eventually(() => this.text.includes(text));
  }

  async whole(): Promise<string> {
    await eventually(() => this.ended || this.broken, 25_000);
    return this.text;
  }

  /** The payloads of the events so far; `[DONE]` stays as it is. */
  get events(): unknown[] {
    return this.text
      .split('\n\n')
      .filter((event) => event.startsWith('data: '))
      .map((event) => event.slice('data: '.length))
      .map((data) => (data === '[DONE]' ? data : (JSON.parse(data) as unknown)));
  }

  hangUp(): void {
    this.request.destroy();
  }
}
