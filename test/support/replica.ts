/** The part of one replica that talks to Postgres. Two of them on one database are two replicas. */
import type { Settings } from '../../src/platform/config/index.js';
import { Database, Revocations } from '../../src/platform/database/index.js';
import { eventually } from './eventually.js';
import { onDatabase } from './sql.js';
import { testSettings } from './settings.js';

export interface Replica {
  readonly settings: Settings;
  readonly database: Database;
  readonly revocations: Revocations;
  /** Resolves once this replica has received everything that was committed before the call. */
  hearEverything(): Promise<void>;
  stop(): Promise<void>;
}

/** @param databaseUrl the database itself; `overrides` may name proxies in front of it */
export async function startReplica(databaseUrl: string, overrides: Partial<Settings> = {}): Promise<Replica> {
  const settings = testSettings({ databaseUrl, ...overrides });
  const database = new Database(settings);
  const revocations = new Revocations(settings);
  const fences = new Set<string>();
  revocations.onRevoked((topic, tag) => {
    if (topic === 'fence') fences.add(tag);
  });
  try {
    await revocations.start();
  } catch (error) {
    await database.close();
    throw error;
  }
  let sent = 0;
  return {
    settings,
    database,
    revocations,
    // Postgres delivers notifications in the order of their commits.
    async hearEverything() {
      sent += 1;
      const tag = `${process.pid}-${sent}-${Math.random()}`;
      await onDatabase(databaseUrl, (client) =>
        client.query("SELECT pg_notify('gatehouse_revoked', $1)", [`fence:${tag}`]),
      );
      await eventually(() => fences.has(tag));
    },
    async stop() {
      await revocations.onApplicationShutdown();
      await database.close();
    },
  };
}
