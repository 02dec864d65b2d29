import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isOurs, newPassword, type Connection } from './cluster-connection.js';
import type { ClusterLocation } from './cluster-location.js';
import { EmbeddedPostgresError } from './embedded-postgres.error.js';
import { exists, parseJson, readIfThere, writeWhole } from './files.js';
import { findFreePort, isFree } from './loopback-port.js';
import type { Binaries } from './postgres-binaries.js';
import { runProgram } from './postgres-program.js';
import { findProcessStart } from './process-start.js';

export interface Cluster extends ClusterLocation {
  binaries: Binaries;
  /** The text of gatehouse.conf. */
  configuration: string;
}

const RETRY_DELAY_MS = 250;
const PG_CTL_TIMEOUT_SECONDS = '60';
const PASSING_TROUBLE = /lock file "postmaster.pid" already exists|pre-existing shared memory|any TCP\/IP sockets/;

/** Finds it running, or starts it; makes it first where it does not exist yet. `reused`: found running. */
export async function bringUp(
  cluster: Cluster,
  patienceMs: number,
): Promise<{ connection: Connection; reused: boolean }> {
  const data = path.join(cluster.location, 'data');
  if (!(await exists(data))) await initialise(cluster);
  const connectionFile = path.join(cluster.location, 'connection.json');
  let connection = parseJson<Connection>((await readIfThere(connectionFile)) ?? '');
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
      await runProgram(cluster, cluster.binaries.pg_ctl, start);
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

/** How to get into the cluster of a folder, while it runs. */
export async function findRunningConnection(location: string): Promise<Connection | null> {
  const connection = parseJson<Connection>((await readIfThere(path.join(location, 'connection.json'))) ?? '');
  const running = await findPostmaster({ location });
  if (connection === null || running === null) return null;
  const isRunning = await isOurs(path.join(location, 'data'), connection, running.port);
  return isRunning ? { ...connection, port: running.port } : null;
}

export async function halt(cluster: Cluster): Promise<void> {
  const stop = ['stop', '-w', '-t', PG_CTL_TIMEOUT_SECONDS, '-D', 'data', '-m'];
  for (const mode of ['fast', 'immediate']) {
    try {
      return await runProgram(cluster, cluster.binaries.pg_ctl, [...stop, mode]);
    } catch (error) {
      if ((await findPostmaster(cluster)) === null) return;
      if (mode === 'immediate') throw error;
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
  await runProgram({ location, user }, binaries.initdb, [
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

/** What postmaster.pid says, if the process that it names lives. */
async function findPostmaster({ location }: Pick<Cluster, 'location'>): Promise<{ port: number } | null> {
  const [pid, , , port] = ((await readIfThere(path.join(location, 'data', 'postmaster.pid'))) ?? '').split('\n');
  return Number(pid) > 0 && (await findProcessStart(Number(pid))) !== null ? { port: Number(port) } : null;
}
