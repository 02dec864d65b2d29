import { removeCluster } from './jest-global-setup.mjs';

// Jest calls this after failed runs too. After a killed one nobody does: the next run's setup removes what was left.
export default async function tearDown() {
  const running = globalThis.gatehouseTestPostgres;
  if (running) await removeCluster(running.postgres, running.directory);
}
