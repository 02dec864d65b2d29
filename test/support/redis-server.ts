/** A Redis of the test's own, which the test can kill and freeze. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';

export class RedisServer {
  private constructor(
    readonly port: number,
    private readonly directory: string,
    private process: ChildProcess,
  ) {}

  /** @throws Error where Redis is not installed: a test that needs it is never skipped. */
  static async start(): Promise<RedisServer> {
    if (spawnSync('redis-server', ['--version']).error !== undefined) {
      throw new Error(
        'This test needs redis-server (Redis or Valkey) on the PATH, and found none: install it (Debian: apt-get install redis-server).',
      );
    }
    const directory = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-redis-'));
    const port = await freePort();
    const server = new RedisServer(port, directory, run(port, directory));
    await server.listening();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** All its data is lost: nothing is kept on disk. */
  async kill(): Promise<void> {
    await end(this.process);
  }

  async startAgain(): Promise<void> {
    this.process = run(this.port, this.directory);
    await this.listening();
  }

  /** Keeps listening, and answers nothing. */
  freeze(): void {
    this.process.kill('SIGSTOP');
  }

  thaw(): void {
    this.process.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    await end(this.process);
    await rm(this.directory, { recursive: true, force: true });
  }

  private listening(): Promise<void> {
    return eventually(async () => {
      const socket = net.connect(this.port, '127.0.0.1');
      await once(socket, 'connect').finally(() => socket.destroy());
    });
  }
}

function run(port: number, directory: string): ChildProcess {
  return spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory],
    {
      stdio: 'ignore',
    },
  );
}

async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  process.kill('SIGKILL');
  await once(process, 'exit');
}
