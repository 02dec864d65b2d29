/** A throwaway Postgres from Debian's package: an older major version than the embedded one, and a cluster of the test's own. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { onDatabase } from './sql.js';
import { unprivilegedUser } from './unprivileged-user.js';

/** Debian keeps each major version beside the others. */
const VERSIONS = '/usr/lib/postgresql';
const OWNER = 'gatehouse';

export class DebianPostgres {
  private readonly password = randomBytes(12).toString('hex');

  private constructor(
    private readonly port: number,
    private readonly directory: string,
    private readonly run: () => ChildProcess,
    private process: ChildProcess,
  ) {}

  /**
   * @param options more settings of the server, as `ssl=on`
   * @param parent the folder that its own folder is made in
   * @throws Error where it is not installed: a test that needs it is never skipped
   */
  static async start(options: readonly string[] = [], parent = os.tmpdir()): Promise<DebianPostgres> {
    const bin = serverPrograms();
    const directory = await mkdtemp(path.join(parent, 'gatehouse-postgres15-'));
    const user = unprivilegedUser();
    if (user !== null) await chown(directory, user.uid, user.gid);
    await chmod(directory, 0o700);
    const init = spawnSync(
      path.join(bin, 'initdb'),
      ['-D', directory, '-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8'],
      {
        ...user,
        encoding: 'utf8',
      },
    );
    if (init.status !== 0) throw new Error(`initdb failed: ${init.stderr}`);
    const port = await freePort();
    const settings = [
      'fsync=off',
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      `port=${port}`,
      ...options,
    ];
    const args = ['-D', directory, ...settings.flatMap((each) => ['-c', each])];
    const run = (): ChildProcess => spawn(path.join(bin, 'postgres'), args, { ...user, stdio: 'ignore' });
    const postgres = new DebianPostgres(port, directory, run, run());
    await postgres.answers();
    await postgres.asSuperuser(`CREATE ROLE ${OWNER} LOGIN CREATEROLE PASSWORD '${postgres.password}'`);
    return postgres;
  }

  /** An empty database; its owner may create roles and is not a superuser. */
  async createDatabase(name: string): Promise<string> {
    await this.asSuperuser(`CREATE DATABASE ${name} OWNER ${OWNER}`);
    return `postgres://${OWNER}:${this.password}@127.0.0.1:${this.port}/${name}`;
  }

  superuserUrl(database = 'postgres'): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  asSuperuser(sql: string, database?: string): Promise<unknown> {
    return onDatabase(this.superuserUrl(database), (client) => client.query(sql));
  }

  /** Begins new files of the write-ahead log until the disk has no room for one, which ends Postgres. */
  async switchLogUntilFull(): Promise<void> {
    while (!this.hasEnded) {
      await this.asSuperuser("SELECT pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()").catch(
        () => undefined,
      );
    }
  }

  /** Starts it on the same data, after it has ended. */
  async startAgain(): Promise<void> {
    if (!this.hasEnded) throw new Error('This Postgres still runs.');
    this.process = this.run();
    await this.answers();
  }

  private get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  private answers(): Promise<void> {
    return eventually(() => this.asSuperuser('SELECT 1'));
  }

  async stop(): Promise<void> {
    if (!this.hasEnded) {
      this.process.kill('SIGINT');
      await once(this.process, 'exit');
    }
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** The programs of the oldest installed version. */
function serverPrograms(): string {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).toSorted((a, b) => Number(a) - Number(b)) : [];
  const found = versions
    .map((version) => path.join(VERSIONS, version, 'bin'))
    .find((bin) => existsSync(path.join(bin, 'initdb')));
  if (found === undefined)
    throw new Error('This test needs a Postgres server: install it (Debian: apt-get install postgresql).');
  return found;
}
