/** A proxy that understands Postgres' messages: it counts statements, drops notifications, and cuts at a chosen moment. */
import { TcpProxy, type TcpFilter, type TcpLink } from './tcp-proxy.js';

export interface PostgresMessage {
  readonly from: 'client' | 'server';
  /** The message's type byte; '' for a client's first message. */
  readonly type: string;
  /** The message without type and length. */
  readonly body: Buffer;
  /** True between a connection's ReadyForQuery and its next statement. */
  readonly idle: boolean;
  /** The message's connection: the same for both of its ends, and for no other. */
  readonly connection: object;
}

/** `cut-before` and `cut-after` end the connection: the message is lost, or sent on first. */
export type Verdict = 'pass' | 'drop' | 'cut-before' | 'cut-after';

export class PostgresProxy {
  /** Judges each message; at first all pass. */
  judge: (message: PostgresMessage) => Verdict = () => 'pass';
  /** The number of statements that were sent to run. */
  statements = 0;

  private constructor(readonly tcp: TcpProxy) {}

  static async start(url: string): Promise<PostgresProxy> {
    const { hostname, port } = new URL(url);
    const holder: { proxy?: PostgresProxy } = {};
    const tcp = await TcpProxy.start({
      host: hostname,
      port: Number(port || 5432),
      filters: () => holder.proxy!.filters(),
    });
    const proxy = new PostgresProxy(tcp);
    holder.proxy = proxy;
    return proxy;
  }

  through(url: string): string {
    return this.tcp.through(url);
  }

  close(): Promise<void> {
    return this.tcp.close();
  }

  private filters(): { toServer: TcpFilter; toClient: TcpFilter } {
    const state = { idle: false };
    return { toServer: this.filter('client', state), toClient: this.filter('server', state) };
  }

  private filter(from: 'client' | 'server', state: { idle: boolean }): TcpFilter {
    let rest: Buffer = Buffer.alloc(0);
    let started = from === 'server';
    return (chunk, link) => {
      rest = Buffer.concat([rest, chunk]);
      const passed: Buffer[] = [];
      for (;;) {
        const header = started ? 1 : 0;
        if (rest.length < header + 4) break;
        const length = header + rest.readUInt32BE(header);
        if (rest.length < length) break;
        const bytes = rest.subarray(0, length);
        rest = rest.subarray(length);
        const type = started ? String.fromCharCode(bytes[0]!) : '';
        started = true;
        const verdict = this.see({ from, type, body: bytes.subarray(header + 4), idle: state.idle, connection: state });
        if (from === 'client') state.idle = false;
        else if (type === 'Z') state.idle = true;
        if (verdict === 'pass' || verdict === 'cut-after') passed.push(bytes);
        if (verdict.startsWith('cut')) return this.cut(link, from, passed);
      }
      return Buffer.concat(passed);
    };
  }

  private see(message: PostgresMessage): Verdict {
    if (message.from === 'client' && (message.type === 'E' || message.type === 'Q')) this.statements += 1;
    return this.judge(message);
  }

  private cut({ client, server }: TcpLink, from: 'client' | 'server', passed: readonly Buffer[]): Buffer {
    const [to, other] = from === 'client' ? [server, client] : [client, server];
    other.destroy();
    to.end(Buffer.concat(passed));
    return Buffer.alloc(0);
  }
}

/** Whether this is the client's message that runs the prepared statement of that name. */
export function isCallOf(name: string, { from, type, body }: PostgresMessage): boolean {
  // Bind: the portal's name, then the statement's, each ended by a zero.
  return from === 'client' && type === 'B' && body.toString('latin1').split('\0', 2)[1] === name;
}

/** Cuts a connection once: after its statement of that name is committed, and before the client gets the answer. */
export function cutOnceCommitted(proxy: PostgresProxy, name: string): void {
  let caller: object | null = null;
  proxy.judge = (message) => {
    if (isCallOf(name, message)) caller ??= message.connection;
    if (message.connection !== caller || message.from === 'client' || message.type !== 'Z') return 'pass';
    proxy.judge = () => 'pass';
    return 'cut-before';
  };
}
