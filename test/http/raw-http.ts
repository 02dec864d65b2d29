/** Requests that no HTTP library sends: written to the socket unchanged. */
import net from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; of repeated headers the last one. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  json<T = Record<string, unknown>>(): T;
}

const PATIENCE_MS = 15_000;

/** One connection; the test decides what is sent and read. */
export class RawConnection {
  private received = Buffer.alloc(0);
  private ended = false;
  private wake: () => void = () => undefined;

  private constructor(private readonly socket: net.Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    socket.on('error', () => undefined);
    for (const event of ['end', 'close'] as const) {
      socket.on(event, () => {
        this.ended = true;
        this.wake();
      });
    }
  }

  static async open(baseUrl: string): Promise<RawConnection> {
    const { hostname, port } = new URL(baseUrl);
    const socket = net.connect({ host: hostname, port: Number(port) });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    return new RawConnection(socket);
  }

  send(data: string | Buffer): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  /** The next answer on this connection, its body included. */
  async answer(): Promise<RawAnswer> {
    const head = await this.waitFor(() => {
      const end = this.received.indexOf('\r\n\r\n');
      return end === -1 ? undefined : this.take(end + 4).toString('latin1');
    });
    const [statusLine = '', ...lines] = head.trimEnd().split('\r\n');
    const status = Number(statusLine.split(' ')[1]);
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    // 100 Continue announces the real answer.
    if (status === 100) return this.answer();
    const body = (await this.readBody(headers)).toString('utf8');
    return { status, headers, body, json: <T>() => JSON.parse(body) as T };
  }

  /** Resolves once the other side has closed the connection. */
  async closed(): Promise<void> {
    await this.waitFor(() => (this.ended ? true : undefined));
  }

  /** Stops reading. */
  pause(): void {
    this.socket.pause();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private async readBody(headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const length = headers['content-length'];
    if (length !== undefined) {
      return this.waitFor(() => (this.received.length >= Number(length) ? this.take(Number(length)) : undefined));
    }
    await this.closed();
    return this.take(this.received.length);
  }

  private take(length: number): Buffer {
    const taken = this.received.subarray(0, length);
    this.received = this.received.subarray(length);
    return taken;
  }

  private async waitFor<T>(find: () => T | undefined): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.ended) throw new Error(`The connection ended after: ${this.received.toString('latin1')}`);
      if (performance.now() > deadline) throw new Error('No answer came.');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

/** Sends the lines of one request's head, then `body`, and reads the answer. */
export async function sendRaw(
  baseUrl: string,
  head: readonly string[],
  body: string | Buffer = '',
): Promise<RawAnswer> {
  const connection = await RawConnection.open(baseUrl);
  try {
    connection.send(`${head.join('\r\n')}\r\nHost: gatehouse\r\n\r\n`);
    connection.send(body);
    return await connection.answer();
  } finally {
    connection.destroy();
  }
}
