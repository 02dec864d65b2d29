import { once } from 'node:events';
import { cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { EmbeddedClusters, answerOf, end, exists, query, refusalOf } from '../../../test/support/embedded-clusters.js';

let clusters: EmbeddedClusters;

beforeEach(async () => {
  clusters = await EmbeddedClusters.create();
});

afterEach(async () => {
  await clusters.remove();
});

async function postmasterPid(location: string): Promise<number> {
  return Number((await readFile(path.join(location, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

describe('the first start', () => {
  it('makes a database that its owner can work with, without being a superuser', async () => {
    const { ownerUrl, superuserUrl, location, reused } = await clusters.start();

    expect(ownerUrl).toMatch(/^postgres:\/\/gatehouse:[\w-]{32}@127\.0\.0\.1:\d+\/gatehouse$/);
    expect({ location, reused }).toEqual({ location: clusters.directory, reused: false });
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

  it('listens on the loopback address only, keeps its passwords private, and accepts no other password', async () => {
    const { ownerUrl, superuserUrl } = await clusters.start();

    const shown =
      "SELECT current_setting('listen_addresses') AS tcp, current_setting('unix_socket_directories') AS unix";
    expect(await query(superuserUrl, shown)).toEqual([{ tcp: '127.0.0.1', unix: '' }]);
    expect((await stat(path.join(clusters.directory, 'connection.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(path.join(clusters.directory, 'data'))).mode & 0o777).toBe(0o700);
    const wrong = new URL(ownerUrl);
    wrong.password = 'guess';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('starts again from nothing when an earlier one was killed half way', async () => {
    const child = clusters.launch();
    const halfMade = async (): Promise<boolean> =>
      (await readdir(clusters.directory)).some((name) => name.startsWith('data.'));
    while (!(await halfMade().catch(() => false)));
    await end(child, 'SIGKILL');
    expect(await exists(path.join(clusters.directory, 'data'))).toBe(false);

    const { ownerUrl, reused } = await clusters.start();
    expect(reused).toBe(false);
    expect(await query(ownerUrl, 'SELECT current_database() AS name')).toEqual([{ name: 'gatehouse' }]);
  });
});

describe('later starts', () => {
  it('keep the data, the passwords and the port', async () => {
    const first = await clusters.start();
    await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    await expect(query(first.ownerUrl, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });

    const second = await clusters.start();
    expect(second).toMatchObject({ ownerUrl: first.ownerUrl, superuserUrl: first.superuserUrl, reused: false });
    expect(await query(second.ownerUrl, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('choose and remember another port when another program has taken theirs', async () => {
    const first = await clusters.start();
    await first.stop();
    const taken = Number(new URL(first.ownerUrl).port);
    const squatter = net.createServer().listen(taken, '127.0.0.1');
    await once(squatter, 'listening');
    const second = await clusters.start().finally(() => squatter.close());
    await second.stop();

    expect(new URL(second.ownerUrl).port).not.toBe(String(taken));
    expect((await clusters.start()).ownerUrl).toBe(second.ownerUrl);
  });

  it('apply changed settings, also to a Postgres that was left running', async () => {
    const child = clusters.launch();
    await answerOf(child);
    await end(child, 'SIGKILL');

    const postgres = await clusters.start({ settings: { max_connections: '37', 'app.motto': "it's \\ here" } });
    expect(postgres.reused).toBe(false);
    const shown = "SELECT current_setting('max_connections') AS max, current_setting('app.motto') AS motto";
    expect(await query(postgres.ownerUrl, shown)).toEqual([{ max: '37', motto: "it's \\ here" }]);
  });
});

describe('after a crash', () => {
  it.each(['SIGKILL', 'SIGINT'] as const)(
    'Postgres survives a %s of Gatehouse and its process group, and is found again with its data',
    async (signal) => {
      const child = clusters.launch();
      const first = await answerOf(child);
      await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
      const pid = await postmasterPid(clusters.directory);
      await end(child, signal);

      const second = await clusters.start();
      expect(second).toMatchObject({ ownerUrl: first.ownerUrl, reused: true });
      expect(await postmasterPid(clusters.directory)).toBe(pid);
      expect(await query(second.ownerUrl, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
      await second.stop();
      await expect(query(second.ownerUrl, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    },
  );

  it('a start right after a SIGKILL of Postgres succeeds, and finds all committed data', async () => {
    const first = await clusters.start({ durability: 'full' });
    await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(await postmasterPid(clusters.directory), 'SIGKILL');
    await first.stop();

    const second = await clusters.start({ durability: 'full' });
    expect(second.reused).toBe(false);
    expect(await query(second.ownerUrl, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('a Postgres of another folder on the remembered port is not used', async () => {
    const first = await clusters.start();
    await first.stop();
    const other = await clusters.start({ directory: path.join(clusters.base, 'other') });
    // Another folder's server with its own pid and port, as after a copy of the folder.
    for (const name of ['data/postmaster.pid', 'connection.json']) {
      await cp(path.join(other.location, name), path.join(clusters.directory, name));
    }

    await refusalOf(clusters.start({ patienceMs: 500 }));
    expect(await query(other.ownerUrl, 'SELECT current_database() AS name')).toEqual([{ name: 'gatehouse' }]);
    await rm(path.join(clusters.directory, 'data', 'postmaster.pid'));
  });
});

describe('a failure is one plain sentence', () => {
  it("gives Postgres' own reason, with the end of its log as the cause", async () => {
    const error = await refusalOf(clusters.start({ settings: { max_connections: 'many' } }));

    expect(error.message).toMatch(/^Postgres in .* gave up: configuration file ".*" contains errors\.$/);
    expect(error.cause).toMatch(/invalid value for parameter "max_connections": "many"/);
    expect((await clusters.start()).reused).toBe(false);
  });

  it('refuses a setting that would write another line into the configuration', async () => {
    expect((await refusalOf(clusters.start({ settings: { 'fsync\nport': '1' } }))).message).toMatch(
      /^The Postgres setting ".*" is not valid/,
    );
    expect((await refusalOf(clusters.start({ settings: { port: '1\nfsync = off' } }))).message).toMatch(
      /^The Postgres setting "port" is not/,
    );
  });

  it('names a platform that has no embedded Postgres', async () => {
    const child = clusters.launch("Object.defineProperty(process, 'platform', { value: 'sunos' })");
    expect(await answerOf(child)).toEqual({
      refused: `There is no embedded Postgres for sunos-${process.arch}; set DATABASE_URL.`,
      name: 'EmbeddedPostgresError',
    });
  });

  it('names a folder that cannot be made', async () => {
    await writeFile(clusters.directory, 'a file');
    expect((await refusalOf(clusters.start())).message).toMatch(
      /^The embedded Postgres in .*\/postgres could not be started: EEXIST/,
    );
  });

  it('names the file of passwords when it was lost', async () => {
    const postgres = await clusters.start();
    await postgres.stop();
    const file = path.join(postgres.location, 'connection.json');
    const kept = await readFile(file, 'utf8');
    await rm(file);

    expect((await refusalOf(clusters.start())).message).toBe(
      `${file}, with the passwords of the database beside it, is lost.`,
    );
    await writeFile(file, kept);
    expect((await clusters.start()).reused).toBe(false);
  });
});
