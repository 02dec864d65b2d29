// The service as an operator runs it: production mode, a real Postgres of its own with full durability, and the ledger
// that is read back afterwards.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { withClient } from './ledger.mjs';
import { findFreePort, readStat } from './processes.mjs';
import { seed } from './seed.mjs';
import { median } from './statistics.mjs';

const ENTRY = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** The flags that `npm start` and the image start the service with. */
const NODE_FLAGS = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  .scripts.start.match(/node ((?:--\S+ )+)dist\/main\.js/)[1]
  .trim()
  .split(' ');
const EMBEDDED_POSTGRES = new URL('../dist/development/embedded/embedded-postgres.js', import.meta.url);

/** The key that the service has at the upstream, by which the upstream counts its calls. */
export const UPSTREAM_KEY = 'sk-upstream';

/** Tells one build of the service from another: a restart in mid-bench starts the build that is in dist/ at that moment. */
export function buildStamp() {
  return existsSync(ENTRY) ? `dist/main.js of ${statSync(ENTRY).mtime.toISOString()}` : 'no dist/main.js';
}

const FILE_SYSTEMS = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlay'],
  [0x01021994, 'tmpfs'],
  [0x2fc12fc1, 'zfs'],
]);

/**
 * @typedef {object} Cluster
 * @property {string} ownerUrl
 * @property {string} inspectorUrl the service's database by the superuser, for whom row-level security does not apply
 * @property {number | null} postmasterPid null where there is no /proc
 * @property {Record<string, string>} settings as the server reports them
 * @property {{ fileSystem: string, syncMs: number }} disk syncMs: median of a write of 8 KiB and its fdatasync
 * @property {() => Promise<void>} stop also removes its data
 */

/** @param {string} folder */
function probeDisk(folder) {
  const file = join(folder, 'bench-sync-probe');
  const block = Buffer.alloc(8192, 1);
  const descriptor = openSync(file, 'w');
  /** @type {number[]} */
  const times = [];
  try {
    for (let index = 0; index < 200; index += 1) {
      const startedAt = performance.now();
      writeSync(descriptor, block, 0, block.length, (index % 16) * block.length);
      fdatasyncSync(descriptor);
      times.push(performance.now() - startedAt);
    }
  } finally {
    closeSync(descriptor);
    rmSync(file);
  }
  const type = statfsSync(folder).type;
  return { fileSystem: FILE_SYSTEMS.get(type) ?? `type 0x${type.toString(16)}`, syncMs: median(times) };
}

/**
 * A fresh cluster with Postgres' own settings, fsync and synchronous_commit on.
 * @param {import('./processes.mjs').ProcessGroup} group
 * @param {string} runDirectory
 * @returns {Promise<Cluster>}
 */
export async function startCluster(group, runDirectory) {
  if (!existsSync(EMBEDDED_POSTGRES)) throw new Error('the service is not built: dist/ lacks the embedded Postgres');
  const { startEmbeddedPostgres } = await import(EMBEDDED_POSTGRES.href);
  const directory = join(runDirectory, 'postgres');
  const running = await startEmbeddedPostgres({ directory, durability: 'full', settings: {} });
  try {
    return await lookInto(group, directory, running);
  } catch (error) {
    await running.stop();
    throw error;
  }
}

/** Requests by sealed access tokens per minute, hour and day. */
const NEVER_FULL = '1000000000/1000000000/1000000000';

/**
 * @param {import('./processes.mjs').ProcessGroup} group
 * @param {string} directory
 * @param {{ ownerUrl: string, superuserUrl: string, location: string, stop: () => Promise<void> }} running
 * @returns {Promise<Cluster>}
 */
async function lookInto(group, directory, running) {
  const inspector = new URL(running.superuserUrl);
  inspector.pathname = new URL(running.ownerUrl).pathname;
  const { postmasterPid, settings } = await withClient(inspector.href, async (client) => {
    const { rows } = await client.query(
      `SELECT pg_backend_pid() AS pid, json_object_agg(name, setting) AS settings FROM pg_settings WHERE name IN
       ('fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'shared_buffers', 'server_version')`,
    );
    // Read while the connection lives: its process is the postmaster's child, and ends with the connection.
    return { postmasterPid: readStat(rows[0].pid)?.parent ?? null, settings: rows[0].settings };
  });
  const takeBack = group.atExit(() => {
    // SIGINT is Postgres' fast shutdown; sent only when the bench could not stop it properly.
    if (postmasterPid !== null) process.kill(postmasterPid, 'SIGINT');
  });
  return {
    ownerUrl: running.ownerUrl,
    inspectorUrl: inspector.href,
    postmasterPid,
    settings,
    disk: probeDisk(running.location),
    stop: async () => {
      await running.stop();
      takeBack();
      for (const folder of [directory, running.location]) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Makes the tenant and its key, and the secrets that every start of the service shares.
 * @param {Cluster} cluster
 */
export async function prepareTenant(cluster) {
  const pepper = { version: 1, secret: randomBytes(32) };
  const { tenantId, secretKey } = await seed(cluster.ownerUrl, pepper);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    tenantId,
    secretKey,
    peppers: `${pepper.version}:${pepper.secret.toString('base64url')}`,
    signingKeys: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}

/**
 * @typedef {object} ServiceSetup
 * @property {Cluster} cluster
 * @property {Awaited<ReturnType<typeof prepareTenant>>} tenant
 * @property {string} upstreamUrl without /v1
 * @property {string} model
 * @property {string | null} redisUrl
 * @property {number} port stays the same over restarts
 * @property {string} workDirectory
 * @property {string} logFile
 */

/**
 * @typedef {object} RunningService
 * @property {import('./processes.mjs').Child} child
 * @property {number} pid
 * @property {number} metricsPort
 * @property {() => Promise<number | null>} stop drains it as SIGTERM does; gives its exit code
 */

/**
 * @param {import('./processes.mjs').ProcessGroup} group
 * @param {ServiceSetup} setup
 * @param {{ nodeArguments?: string[], environment?: Record<string, string> }} [variation]
 * @returns {Promise<RunningService>} when it is ready
 */
export async function startService(group, setup, { nodeArguments = [], environment = {} } = {}) {
  if (!existsSync(ENTRY)) throw new Error('the service is not built: dist/main.js is missing');
  const metricsPort = await findFreePort();
  mkdirSync(setup.workDirectory, { recursive: true });
  // Neither the bench's own environment nor the project's folder with its .env: the service gets only the settings below.
  const child = group.start('service', process.execPath, [...NODE_FLAGS, ...nodeArguments, ENTRY], {
    cwd: setup.workDirectory,
    logFile: setup.logFile,
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      DATABASE_URL: setup.cluster.ownerUrl,
      GATEHOUSE_PEPPERS: setup.tenant.peppers,
      GATEHOUSE_ENCRYPTION_KEYS: `1:${randomBytes(32).toString('base64url')}`,
      GATEHOUSE_SIGNING_KEYS: setup.tenant.signingKeys,
      // The window of the bench's key is never full.
      GATEHOUSE_MOST_REQUESTS_PER_MINUTE: '1000000000',
      GATEHOUSE_SEALED_GLOBAL_QUOTA: NEVER_FULL,
      GATEHOUSE_SEALED_CLIENT_QUOTA: NEVER_FULL,
      FIREBASE_PROJECT_ID: 'bench',
      HOST: '127.0.0.1',
      PORT: String(setup.port),
      METRICS_PORT: String(metricsPort),
      OPENAI_API_KEY: UPSTREAM_KEY,
      OPENAI_BASE_URL: `${setup.upstreamUrl}/v1`,
      OPENAI_MODELS: setup.model,
      PLATFORM_PROVIDER_TENANTS: setup.tenant.tenantId,
      ...(setup.redisUrl === null ? {} : { REDIS_URL: setup.redisUrl }),
      ...environment,
    },
  });
  const giveUpAt = Date.now() + 60_000;
  for (;;) {
    const ready = await fetch(`http://127.0.0.1:${setup.port}/health/ready`, {
      signal: AbortSignal.timeout(2_000),
    }).then(
      async (answer) => (await answer.text(), answer.ok),
      () => false,
    );
    if (ready) break;
    if (child.hasEnded() || Date.now() > giveUpAt) {
      await child.stop();
      const said = readFileSync(setup.logFile, 'utf8').trim().slice(-1500);
      throw new Error(`the service did not become ready; it said: ${said === '' ? 'nothing' : said}`);
    }
    await sleep(100);
  }
  return {
    child,
    pid: child.pid,
    metricsPort,
    stop: async () => {
      await child.stop(35_000);
      return child.ended;
    },
  };
}

/**
 * The heap that the service reports of itself, where it does.
 * @param {RunningService} service
 * @returns {Promise<number | null>} bytes
 */
export async function readHeapBytes(service) {
  try {
    const answer = await fetch(`http://127.0.0.1:${service.metricsPort}/metrics`, {
      signal: AbortSignal.timeout(2_000),
    });
    const line = /^nodejs_heap_size_used_bytes(?:\{[^}]*\})? (\S+)/m.exec(await answer.text());
    return line === null ? null : Number(line[1]);
  } catch {
    return null;
  }
}

/**
 * A Redis of the bench's own, without persistence.
 * @param {import('./processes.mjs').ProcessGroup} group
 * @param {string} logFile
 * @returns {Promise<{ child: import('./processes.mjs').Child, url: string }>}
 */
export async function startRedis(group, logFile) {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
  } catch {
    throw new Error('--redis needs redis-server on PATH');
  }
  const port = await findFreePort();
  const child = group.start(
    'redis',
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    { logFile },
  );
  await sleep(500);
  if (child.hasEnded()) throw new Error('redis-server ended at start');
  return { child, url: `redis://127.0.0.1:${port}` };
}
