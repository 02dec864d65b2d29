/** Databases for tests, on the throwaway Postgres of this run (started by jest-global-setup.mjs). */
import { randomBytes } from 'node:crypto';
import { endPoolOf, poolOf } from './sql.js';

export interface TestDatabase {
  /** For the role `gatehouse`, which owns the database, may create roles, and is not a superuser. */
  ownerUrl: string;
  superuserUrl: string;
  /** Ends all connections. May be called again. */
  drop(): Promise<void>;
}

/** A fresh database with every migration applied. The whole run shares the roles. */
export function createTestDatabase(): Promise<TestDatabase> {
  return create('gatehouse_template');
}

/** A fresh database with nothing in it. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return create('template0');
}

/** An arbitrary number, which is the same in every worker. */
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
  const client = await poolOf(cluster.superuserUrl).connect();
  try {
    await client.query(`SELECT pg_advisory_lock(${CLONING_LOCK})`);
    try {
      await client.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy OWNER gatehouse`);
    } finally {
      // The connection returns to its pool, and would keep the lock.
      await client.query(`SELECT pg_advisory_unlock(${CLONING_LOCK})`);
    }
  } finally {
    client.release();
  }
  return {
    ownerUrl: inDatabase(cluster.ownerUrl, name),
    superuserUrl: inDatabase(cluster.superuserUrl, name),
    drop: async () => {
      await endPoolOf(inDatabase(cluster.superuserUrl, name));
      await poolOf(cluster.superuserUrl).query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

function inDatabase(url: string, name: string): string {
  const address = new URL(url);
  address.pathname = `/${name}`;
  return address.href;
}
