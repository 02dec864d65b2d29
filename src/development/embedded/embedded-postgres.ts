/**
 * The Postgres that Gatehouse brings along, for a start without DATABASE_URL. `pg_ctl` starts it in a session of its
 * own, so that neither Ctrl-C nor a SIGKILL of Gatehouse takes the database down under requests that are still
 * draining; it ends by `stop()`.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { ensureOwner, urlOf } from './cluster-connection.js';
import { configurationOf, type ClusterSettings } from './cluster-configuration.js';
import { findLocation } from './cluster-location.js';
import { bringUp, findRunningConnection, halt, type Cluster } from './cluster.js';
import { EmbeddedPostgresError } from './embedded-postgres.error.js';
import { exists } from './files.js';
import { isRoot, refuseForeign } from './os-user.js';
import { findBinaries, findRunnable } from './postgres-binaries.js';
import { takeLock } from './process-lock.js';

export interface EmbeddedPostgresOptions extends ClusterSettings {
  /** Created when missing, e.g. `<home>/postgres`. */
  directory: string;
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

const DEFAULT_PATIENCE_MS = 30_000;

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

/**
 * The address of a folder's Postgres while that runs, as its owner; null: it does not run. Takes no lock, and starts and
 * stops nothing: for commands beside a running service.
 */
export async function findRunningPostgres(directory: string): Promise<string | null> {
  const within = path.resolve(directory);
  if (!(await exists(path.join(within, 'lock')))) return null;
  const { location } = await findLocation(await fs.realpath(within));
  const connection = await findRunningConnection(location);
  return connection === null ? null : urlOf('gatehouse', connection.ownerPassword, connection.port, 'gatehouse');
}

async function findCluster(directory: string, settings: ClusterSettings): Promise<Cluster> {
  const packaged = await findBinaries();
  const found = await findLocation(directory);
  const binaries = await findRunnable(packaged, found);
  return { ...found, binaries, configuration: configurationOf(settings) };
}
