/** A small web server on several addresses of this machine and one port, which records the arrivals at each. */
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface LoopbackListenerOptions {
  readonly addresses: readonly string[];
  /** Makes it HTTPS. */
  readonly certificate?: { readonly key: string; readonly cert: string };
}

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

export class LoopbackListener {
  /** Our address that each connection came to, even without a request. */
  readonly connections: string[] = [];
  /** The address and path of each request. */
  readonly requests: string[] = [];
  answer: Answer = answerOk;
  private readonly servers: http.Server[] = [];
  private readonly sockets = new Set<Socket>();
  port = 0;

  private constructor(private readonly options: LoopbackListenerOptions) {}

  static async start(options: LoopbackListenerOptions): Promise<LoopbackListener> {
    for (let tries = 1; ; tries += 1) {
      const listener = new LoopbackListener(options);
      try {
        for (const address of options.addresses) await listener.listen(address);
        return listener;
      } catch (error) {
        await listener.close();
        // A port that is free on one address may be taken on the next.
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries === 20) throw error;
      }
    }
  }

  /** The number of open connections. */
  get open(): number {
    return this.sockets.size;
  }

  reset(): void {
    this.connections.length = 0;
    this.requests.length = 0;
    this.answer = answerOk;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(
      this.servers.map(async (server) => {
        server.close();
        await once(server, 'close');
      }),
    );
  }

  private async listen(address: string): Promise<void> {
    const { certificate } = this.options;
    const onRequest: Answer = (request, response) => {
      this.requests.push(`${address} ${request.url}`);
      this.answer(request, response);
    };
    const server =
      certificate === undefined ? http.createServer(onRequest) : https.createServer(certificate, onRequest);
    // This side never closes idle connections.
    server.keepAliveTimeout = 120_000;
    server.on('connection', (socket: Socket) => {
      this.connections.push(address);
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    server.listen(this.port, address);
    await once(server, 'listening');
    this.servers.push(server);
    this.port = (server.address() as AddressInfo).port;
  }
}

function answerOk(_request: http.IncomingMessage, response: http.ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
}
