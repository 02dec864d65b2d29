/** A PgBouncer of the test's own, in transaction mode, that keeps no prepared statements. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { unprivilegedUser } from './unprivileged-user.js';

/** Debian installs it in a folder that only root's PATH has. */
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };

export interface PooledLogin {
  readonly user: string;
  readonly password: string;
}

export class PgBouncer {
  private constructor(
    private readonly port: number,
    private readonly directory: string,
    private readonly configuration: string,
    private process: ChildProcess,
  ) {}

  /**
   * @param url of Postgres itself
   * @throws Error where PgBouncer is not installed: a test that needs it is never skipped.
   */
  static async start(url: string, logins: readonly PooledLogin[]): Promise<PgBouncer> {
    if (spawnSync('pgbouncer', ['--version'], { env }).error !== undefined) {
      throw new Error(
        'This test needs pgbouncer on the PATH, and found none: install it (Debian: apt-get install pgbouncer).',
      );
    }
    const directory = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-pgbouncer-'));
    await chmod(directory, 0o755);
    const port = await freePort();
    const { hostname, port: postgresPort } = new URL(url);
    const users = path.join(directory, 'users.txt');
    await writeFile(users, logins.map(({ user, password }) => `"${user}" "${password}"\n`).join(''));
    const configuration = path.join(directory, 'pgbouncer.ini');
    await writeFile(
      configuration,
      [
        '[databases]',
        `* = host=${hostname} port=${postgresPort}`,
        '[pgbouncer]',
        'listen_addr = 127.0.0.1',
        `listen_port = ${port}`,
        'unix_socket_dir =',
        'auth_type = trust',
        `auth_file = ${users}`,
        'pool_mode = transaction',
        'default_pool_size = 4',
        'max_client_conn = 200',
        '',
      ].join('\n'),
    );
    const pooler = new PgBouncer(port, directory, configuration, run(configuration));
    await pooler.listening();
    return pooler;
  }

  /** Ends it under its clients, as a crash does. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }

  async startAgain(): Promise<void> {
    this.process = run(this.configuration);
    await this.listening();
  }

  /** The same database through the pooler, with the same login unless another is named. */
  through(url: string, login?: PooledLogin): string {
    const address = new URL(url);
    address.hostname = '127.0.0.1';
    address.port = String(this.port);
    if (login !== undefined) Object.assign(address, { username: login.user, password: login.password });
    return address.href;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGTERM');
      await once(this.process, 'exit');
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  private listening(): Promise<void> {
    return eventually(async () => {
      const socket = net.connect(this.port, '127.0.0.1');
      await once(socket, 'connect').finally(() => socket.destroy());
    });
  }
}

function run(configuration: string): ChildProcess {
  return spawn('pgbouncer', ['-q', configuration], { env, stdio: 'ignore', ...unprivilegedUser() });
}
