/** Databases for tests, on the throwaway Postgres of this run (started by jest-global-setup.mjs). */
import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase {
  /** As the role `gatehouse`, which owns the database, may create roles, and is no superuser. */
  ownerUrl: string;
  superuserUrl: string;
  /** Disconnects whoever is still connected. May be called again. */
  drop(): Promise<void>;
}

/** A fresh database with every migration applied. Roles, unlike it, are shared by the whole run. */
export function createTestDatabase(): Promise<TestDatabase> {
  return create('gatehouse_template');
}

/** A fresh database with nothing in it. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return create('template0');
}

/** Any number; every worker takes the same. */
const CLONING_LOCK = 4_710_042;

async function create(template: string): Promise<TestDatabase> {
  const given = process.env['GATEHOUSE_TEST_PG'];
  if (!given) {
    throw new Error(
      'No Postgres was started for this run: a spec that needs one is *.db.spec.ts, or in test/http, test/contracts or test/proofs.',
    );
  }
  const cluster = JSON.parse(given) as { ownerUrl: string; superuserUrl: string };
  const name = `test_${randomBytes(8).toString('hex')}`;
  await onCluster(cluster.superuserUrl, async (client) => {
    await client.query(`SELECT pg_advisory_lock(${CLONING_LOCK})`);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy OWNER gatehouse`);
  });
  return {
    ownerUrl: inDatabase(cluster.ownerUrl, name),
    superuserUrl: inDatabase(cluster.superuserUrl, name),
    drop: () =>
      onCluster(cluster.superuserUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}

async function onCluster(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function inDatabase(url: string, name: string): string {
  const address = new URL(url);
  address.pathname = `/${name}`;
  return address.href;
}
