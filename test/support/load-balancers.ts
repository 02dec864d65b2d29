/** haproxy and nginx before replicas, with the configuration of docs/guides/production.md. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';

/** Debian installs them in folders that only root's PATH has. */
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };
const GUIDE = readFileSync('docs/guides/production.md', 'utf8');

/** The guide's block of this language, with its two replicas on these ports. */
function configurationOf(language: string, [first, second]: readonly [number, number]): string {
  const found = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(GUIDE)?.[1];
  if (found === undefined) throw new Error(`docs/guides/production.md has no block of ${language}.`);
  return found.replace('gatehouse-1:3000', `127.0.0.1:${first}`).replace('gatehouse-2:3000', `127.0.0.1:${second}`);
}

/** @throws Error where the guide's configuration no longer has the text that a test replaces */
function replaced(configuration: string, from: string | RegExp, to: string): string {
  const result = configuration.replace(from, to);
  if (result === configuration) throw new Error(`The configuration does not hold ${String(from)}:\n${configuration}`);
  return result;
}

class LoadBalancer {
  protected constructor(
    protected readonly port: number,
    private readonly directory: string,
    private readonly process: ChildProcess,
  ) {}

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGTERM');
      await once(this.process, 'exit');
    }
    await rm(this.directory, { recursive: true, force: true });
  }
}

export class Haproxy extends LoadBalancer {
  private constructor(
    port: number,
    directory: string,
    process: ChildProcess,
    private readonly statsPort: number,
  ) {
    super(port, directory, process);
  }

  /**
   * @param checkEvery in haproxy's notation; absent: the guide's value
   * @throws Error where it is not installed: a test that needs it is never skipped
   */
  static async start(ports: readonly [number, number], checkEvery?: string): Promise<Haproxy> {
    const [port, statsPort] = [await freePort(), await freePort()];
    let text = replaced(configurationOf('haproxy', ports), /bind .*/, `bind 127.0.0.1:${port}`);
    if (checkEvery !== undefined) text = replaced(text, 'inter 2s', `inter ${checkEvery}`);
    text += `\nfrontend stats\n  mode http\n  bind 127.0.0.1:${statsPort}\n  stats enable\n  stats uri /stats\n`;
    const directory = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-haproxy-'));
    const file = path.join(directory, 'haproxy.cfg');
    await writeFile(file, text);
    accepted('haproxy', ['-c', '-f', file]);
    return new Haproxy(port, directory, spawn('haproxy', ['-db', '-f', file], { env, stdio: 'ignore' }), statsPort);
  }

  /** Waits until it sends requests to both replicas. */
  async bothAreUp(): Promise<void> {
    await eventually(async () => {
      const text = await (await fetch(`http://127.0.0.1:${this.statsPort}/stats;csv`)).text();
      const [head = '', ...rows] = text.split('\n').map((line) => line.split(','));
      const [name, status] = [head.indexOf('svname'), head.indexOf('status')];
      const states = rows.filter((row) => row[name]?.startsWith('gatehouse-')).map((row) => row[status]);
      return states.length === 2 && states.every((state) => state === 'UP');
    }, 60_000);
  }
}

export class Nginx extends LoadBalancer {
  /** @throws Error where it is not installed: a test that needs it is never skipped */
  static async start(ports: readonly [number, number]): Promise<Nginx> {
    const port = await freePort();
    const directory = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-nginx-'));
    const http = replaced(configurationOf('nginx', ports), /listen .*;/, `listen 127.0.0.1:${port};`);
    const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${directory}/${name};`,
    );
    const file = path.join(directory, 'nginx.conf');
    await writeFile(
      file,
      [
        'daemon off;',
        `pid ${directory}/nginx.pid;`,
        `error_log ${directory}/error.log;`,
        'events {}',
        'http {',
        'access_log off;',
        ...folders,
        http,
        '}',
        '',
      ].join('\n'),
    );
    accepted('nginx', ['-t', '-c', file]);
    const started = new Nginx(port, directory, spawn('nginx', ['-c', file], { env, stdio: 'ignore' }));
    await eventually(async () => {
      const socket = net.connect(port, '127.0.0.1');
      await once(socket, 'connect').finally(() => socket.destroy());
    });
    return started;
  }
}

function accepted(program: string, args: readonly string[]): void {
  const { error, status, stdout, stderr } = spawnSync(program, args, { env, encoding: 'utf8' });
  if (error !== undefined) {
    throw new Error(`This test needs ${program}, and found none: install it (Debian: apt-get install ${program}).`);
  }
  if (status !== 0) throw new Error(`${program} refuses the configuration:\n${stdout}${stderr}`);
}
