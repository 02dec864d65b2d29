/** A TCP proxy on loopback that breaks connections in the ways that networks do. */
import { once } from 'node:events';
import net from 'node:net';

export interface TcpLink {
  readonly client: net.Socket;
  readonly server: net.Socket;
}

/** Receives the data of one direction of a connection; returns the data to send on. */
export type TcpFilter = (chunk: Buffer, link: TcpLink) => Buffer;

export interface TcpProxyOptions {
  readonly host: string;
  readonly port: number;
  /** Called for each connection. */
  readonly filters?: () => { readonly toServer: TcpFilter; readonly toClient: TcpFilter };
}

interface Link extends TcpLink {
  /** True: neither side receives anything from the other, and neither learns of it. */
  abandoned: boolean;
}

export class TcpProxy {
  private readonly links = new Set<Link>();
  private frozenToServer = false;
  private frozenToClient = false;
  private refusing = false;

  private constructor(
    private readonly listener: net.Server,
    private readonly options: TcpProxyOptions,
  ) {}

  static async start(options: TcpProxyOptions): Promise<TcpProxy> {
    const listener = net.createServer({ pauseOnConnect: true });
    const proxy = new TcpProxy(listener, options);
    listener.on('connection', (client) => proxy.accept(client));
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.listener.address() as net.AddressInfo).port;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.links.size;
  }

  /** The same address, through this proxy. */
  through(url: string): string {
    const address = new URL(url);
    address.hostname = '127.0.0.1';
    address.port = String(this.port);
    return address.href;
  }

  /** Silence: connections stay open, new ones too, and nothing passes until `thaw`. Data that is sent meanwhile waits. */
  freeze(direction: 'both' | 'to-client' | 'to-server' = 'both'): void {
    if (direction !== 'to-client') this.frozenToServer = true;
    if (direction !== 'to-server') this.frozenToClient = true;
    this.flow();
  }

  /** Lets everything pass again, except on abandoned connections, which end now. */
  thaw(): void {
    this.frozenToServer = false;
    this.frozenToClient = false;
    for (const link of this.links) if (link.abandoned) end(link);
    this.flow();
  }

  /** Ends all connections, as a restarted server does. */
  cut(): void {
    for (const link of this.links) end(link);
  }

  /**
   * The open connections go silent for good and are never closed, as where a firewall dropped them or a machine lost its power.
   * New ones work.
   */
  abandon(): void {
    for (const link of this.links) link.abandoned = true;
    this.flow();
  }

  /** While on, new connections are closed at once. */
  refuse(on: boolean): void {
    this.refusing = on;
  }

  async close(): Promise<void> {
    this.cut();
    this.listener.close();
    await once(this.listener, 'close');
  }

  private accept(client: net.Socket): void {
    if (this.refusing) {
      client.destroy();
      return;
    }
    const { host, port } = this.options;
    const server = net.connect({ host, port, noDelay: true });
    client.setNoDelay(true);
    const link: Link = { client, server, abandoned: false };
    this.links.add(link);
    const filters = this.options.filters?.();
    client.on('data', (chunk) => forward(chunk, server, link, filters?.toServer));
    server.on('data', (chunk) => forward(chunk, client, link, filters?.toClient));
    for (const socket of [client, server]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (!link.abandoned) end(link);
        if (client.destroyed && server.destroyed) this.links.delete(link);
      });
    }
    this.flow();
  }

  private flow(): void {
    for (const link of this.links) {
      toggle(link.client, link.abandoned || this.frozenToServer);
      toggle(link.server, link.abandoned || this.frozenToClient);
    }
  }
}

function forward(chunk: Buffer, to: net.Socket, link: TcpLink, filter?: TcpFilter): void {
  const passed = filter === undefined ? chunk : filter(chunk, link);
  if (passed.length > 0 && to.writable) to.write(passed);
}

function toggle(socket: net.Socket, silent: boolean): void {
  if (silent) socket.pause();
  else socket.resume();
}

function end({ client, server }: TcpLink): void {
  client.destroy();
  server.destroy();
}
