// One throwaway Postgres for the whole run, with a migrated template that each test clones (test/support/postgres.ts). Jest
// calls this only where the run has a spec of a project that names it (jest.config.mjs). The service's own code in dist/ does
// both. It is built first, so that a test never uses an old build.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';

const OPTIONS = { durability: 'none', settings: { max_connections: '300', max_wal_size: '256MB' } };
const ROOM_BYTES = 4 * 1024 ** 3;

export default async function setUp({ rootDir }) {
  build(rootDir);
  const { startEmbeddedPostgres } = await importBuilt(rootDir, 'development/embedded/embedded-postgres.js');
  const { migrate } = await importBuilt(rootDir, 'platform/database/migrations.js');
  const { postgres, directory } = await startThrowaway(startEmbeddedPostgres);
  globalThis.gatehouseTestPostgres = { postgres, directory };
  const template = new URL(postgres.ownerUrl);
  template.pathname = '/gatehouse_template';
  try {
    await asSuperuser(postgres, 'CREATE DATABASE gatehouse_template OWNER gatehouse');
    await migrate(template.href, path.join(rootDir, 'prisma'));
    // Each start of the service does this too.
    await query(template.href, 'SELECT prepare_usage_partitions()');
    // Without connections nothing can prevent the cloning.
    await asSuperuser(postgres, 'ALTER DATABASE gatehouse_template ALLOW_CONNECTIONS false');
  } catch (error) {
    // Jest calls no teardown when the setup fails.
    await removeCluster(postgres, directory);
    throw error;
  }
  const { ownerUrl, superuserUrl } = postgres;
  process.env.GATEHOUSE_TEST_PG = JSON.stringify({ ownerUrl, superuserUrl });
  process.env.GATEHOUSE_TEST_FOLDER = directory;
}

export async function removeCluster(postgres, directory) {
  await postgres.stop();
  // As root, below a folder that Postgres' OS user can't enter, the data are elsewhere.
  for (const folder of [postgres.location, directory]) await rm(folder, { recursive: true, force: true });
}

/** Does nothing where dist/ is up to date. The build itself prints its errors. */
function build(rootDir) {
  const { status } = spawnSync(process.execPath, [path.join(rootDir, 'scripts/build.mjs')], { stdio: 'inherit' });
  if (status !== 0) throw new Error('The build failed, and so no test was run.');
}

/** Imported late, since an `import` at the top would come before the build. */
function importBuilt(rootDir, file) {
  return import(pathToFileURL(path.join(rootDir, 'dist', file)).href);
}

/** In memory where there is room, as cloning a database is then some ten times faster; otherwise on the disk. */
async function startThrowaway(startEmbeddedPostgres) {
  const memory = await statfs('/dev/shm').catch(() => null);
  const roomy = memory !== null && memory.bavail * memory.bsize >= ROOM_BYTES && os.freemem() >= ROOM_BYTES;
  const places = roomy ? ['/dev/shm', os.tmpdir()] : [os.tmpdir()];
  for (const [index, place] of places.entries()) {
    let directory;
    try {
      const parent = path.join(place, `gatehouse-tests-${os.userInfo().uid}`);
      await mkdir(parent, { recursive: true });
      await chmod(parent, 0o711);
      await removeLeftovers(parent, startEmbeddedPostgres);
      directory = await mkdtemp(path.join(parent, 'run-'));
      return { directory, postgres: await startEmbeddedPostgres({ directory, ...OPTIONS }) };
    } catch (error) {
      if (directory) await rm(directory, { recursive: true, force: true });
      if (index === places.length - 1) throw error;
    }
  }
}

/**
 * Removes the leftovers of killed runs, including their Postgres. A running one holds its folder's lock, and stays. So does a
 * folder without a lock, as its run may be about to take the lock, or to remove the folder.
 */
async function removeLeftovers(parent, startEmbeddedPostgres) {
  for (const name of await readdir(parent)) {
    const directory = path.join(parent, name);
    if (!existsSync(path.join(directory, 'lock'))) continue;
    try {
      await removeCluster(await startEmbeddedPostgres({ directory, ...OPTIONS }), directory);
    } catch (error) {
      if (/Another Gatehouse/.test(error.message)) continue;
      await rm(directory, { recursive: true, force: true });
    }
  }
}

function asSuperuser(postgres, statement) {
  return query(postgres.superuserUrl, statement);
}

async function query(url, statement) {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
