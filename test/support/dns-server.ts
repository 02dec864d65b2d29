/** A name server on loopback, for what names can do and addresses can't: lead to another host from one moment to the next. */
import { createSocket, type Socket } from 'node:dgram';
import dns from 'node:dns';
import { once } from 'node:events';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

const TYPES: Readonly<Record<number, 'A' | 'AAAA'>> = { 1: 'A', 28: 'AAAA' };
const HEADER_BYTES = 12;

export interface DnsQuestion {
  readonly name: string;
  readonly type: 'A' | 'AAAA';
}

export class DnsServer {
  /** Every question that arrived, in order. */
  readonly questions: DnsQuestion[] = [];
  private readonly records = new Map<string, readonly (readonly string[])[]>();
  private readonly asked = new Map<string, number>();
  private readonly held = new Map<string, (() => void)[]>();
  private formerServers: string[] = [];

  private constructor(private readonly socket: Socket) {}

  /** Starts it, and makes it this process's name server until it is closed. `dns.lookup` does not use it. */
  static async start(): Promise<DnsServer> {
    const socket = createSocket('udp4');
    const server = new DnsServer(socket);
    socket.on('message', (query, { address, port }) =>
      server.receive(query, (answer) => socket.send(answer, port, address)),
    );
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    server.formerServers = dns.getServers();
    dns.setServers([`127.0.0.1:${socket.address().port}`]);
    return server;
  }

  /**
   * Sets a name's addresses. Of several answers the first question of a type gets the first, the next one the second, and so
   * on; the last stays. An answer may mix addresses of both kinds.
   */
  set(name: string, ...answers: readonly (readonly string[])[]): void {
    this.records.set(name, answers);
    for (const type of Object.values(TYPES)) this.asked.delete(`${type} ${name}`);
  }

  /** Questions of this type about the name wait until `release`. */
  hold(name: string, type: 'A' | 'AAAA'): void {
    this.held.set(`${type} ${name}`, []);
  }

  release(): void {
    const waiting = [...this.held.values()].flat();
    this.held.clear();
    for (const answer of waiting) answer();
  }

  async close(): Promise<void> {
    dns.setServers(this.formerServers);
    this.socket.close();
    await once(this.socket, 'close');
  }

  private receive(query: Buffer, send: (answer: Buffer) => void): void {
    const { name, type, end } = readQuestion(query);
    if (type === undefined) {
      send(answerOf(query, end, [], 0));
      return;
    }
    this.questions.push({ name, type });
    const key = `${type} ${name}`;
    const respond = (): void => {
      const answers = this.records.get(name);
      const turn = this.asked.get(key) ?? 0;
      this.asked.set(key, turn + 1);
      const addresses = answers?.[Math.min(turn, answers.length - 1)] ?? [];
      const wanted = addresses.filter((address) => isIP(address) === (type === 'A' ? 4 : 6));
      send(answerOf(query, end, wanted, answers === undefined ? 3 : 0));
    };
    const waiting = this.held.get(key);
    if (waiting === undefined) respond();
    else waiting.push(respond);
  }
}

function readQuestion(query: Buffer): { name: string; type: 'A' | 'AAAA' | undefined; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: TYPES[query.readUInt16BE(at + 1)], end: at + 5 };
}

/** RFC 1035: the question again, and a record for each address, with a time to live of 0. */
function answerOf(query: Buffer, questionEnd: number, addresses: readonly string[], code: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8580 | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => {
    const bytes = Buffer.from(ipaddr.parse(address).toByteArray());
    const head = Buffer.alloc(12);
    head.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
    head.writeUInt16BE(bytes.length === 4 ? 1 : 28, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([head, bytes]);
  });
  return Buffer.concat([header, query.subarray(HEADER_BYTES, questionEnd), ...records]);
}
