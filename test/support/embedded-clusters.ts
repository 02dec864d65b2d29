/**
 * One folder for an embedded Postgres that is started in this process or by others; everything that a test leaves there is
 * removed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { EmbeddedPostgresError } from '../../src/development/embedded/embedded-postgres.error.js';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from '../../src/development/embedded/embedded-postgres.js';

/** The other process's report of its start. */
export type LaunchAnswer = EmbeddedPostgres & { readonly refused?: string; readonly name?: string };

/** The build, which jest-global-setup.mjs brings up to date. */
export const BUILD = path.join(process.cwd(), 'dist');

export class EmbeddedClusters {
  /** The folder for `start` and `launch`; it does not exist yet. */
  directory: string;
  private readonly started: EmbeddedPostgres[] = [];
  private readonly children: ChildProcess[] = [];

  private constructor(
    /** Removed at the end. Every OS user may enter it. */
    readonly base: string,
  ) {
    this.directory = path.join(base, 'postgres');
  }

  static async create(): Promise<EmbeddedClusters> {
    const base = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-embedded-'));
    await chmod(base, 0o711);
    return new EmbeddedClusters(base);
  }

  async start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
    const postgres = await startEmbeddedPostgres({ directory: this.directory, durability: 'none', ...options });
    this.started.push(postgres);
    return postgres;
  }

  /**
   * Another Gatehouse: a Node process of its own, in a process group of its own, that starts the cluster and stays.
   * @param preamble JavaScript that it runs first
   */
  launch(preamble = '', build = BUILD): ChildProcess {
    const script = `${preamble};
      const { startEmbeddedPostgres } = await import(process.argv[1]);
      await startEmbeddedPostgres({ directory: process.argv[2], durability: 'none' }).then(
        (postgres) => console.log(JSON.stringify(postgres)),
        (error) => console.log(JSON.stringify({ refused: error.message, name: error.name })),
      );
      setInterval(() => {}, 1000);`;
    const file = path.join(build, 'development/embedded/embedded-postgres.js');
    const args = ['--input-type=module', '-e', script, pathToFileURL(file).href, this.directory];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    this.children.push(child);
    return child;
  }

  async remove(): Promise<void> {
    for (const child of this.children) await end(child, 'SIGKILL');
    // A cluster that a child left running is found again, so that it can be stopped.
    if (await exists(path.join(this.directory, 'lock'))) await this.start().catch(() => undefined);
    for (const postgres of this.started) await postgres.stop();
    for (const folder of [...this.started.map(({ location }) => location), this.base]) {
      // Repeated, since an initdb whose start was killed may still be writing there.
      await rm(folder, { recursive: true, force: true, maxRetries: 20 });
    }
  }
}

export async function answerOf(child: ChildProcess): Promise<LaunchAnswer> {
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.endsWith('\n')) break;
  }
  return JSON.parse(text) as LaunchAnswer;
}

/** Signals the whole process group, as a terminal does. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  process.kill(-(child.pid ?? 0), signal);
  await exited;
}

/** The one plain sentence with which a start was refused. */
export async function refusalOf(work: Promise<unknown>): Promise<EmbeddedPostgresError> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(EmbeddedPostgresError);
  expect((error as EmbeddedPostgresError).message).toMatch(/^[^\n]+\.$/);
  return error as EmbeddedPostgresError;
}

export async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

export async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
