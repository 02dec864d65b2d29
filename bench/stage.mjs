// What most benches begin with: Postgres with a tenant, and a service before a provider that the bench plays.
import { join } from 'node:path';
import { findFreePort } from './processes.mjs';
import { prepareTenant, startCluster, startService } from './service.mjs';
import { MODEL } from './wire.mjs';

/**
 * @typedef {object} Ground
 * @property {import('./service.mjs').Cluster} cluster
 * @property {Awaited<ReturnType<typeof prepareTenant>>} tenant
 */

/**
 * @param {import('./session.mjs').Session} session Postgres stops with it
 * @returns {Promise<Ground>}
 */
export async function startGround(session) {
  session.say('starting Postgres and the service');
  const cluster = await startCluster(session.group, session.runDirectory);
  session.onEnd(() => cluster.stop());
  return { cluster, tenant: await prepareTenant(cluster) };
}

/**
 * @param {import('./session.mjs').Session} session
 * @param {Ground} ground
 * @param {number} providerPort
 * @param {Record<string, string>} [environment]
 * @param {string} [name]
 */
export async function startReplica(session, { cluster, tenant }, providerPort, environment = {}, name = 'service') {
  const port = await findFreePort();
  const setup = {
    ...{ cluster, tenant, port, model: MODEL, redisUrl: null },
    upstreamUrl: `http://127.0.0.1:${providerPort}`,
    workDirectory: join(session.runDirectory, name),
    logFile: session.logFile(name),
  };
  const { pid, stop } = await startService(session.group, setup, { environment });
  return { port, pid, stop };
}

/**
 * The same, and it stops with the session.
 * @param {Parameters<typeof startReplica>} how
 */
export async function startOwnService(...how) {
  const service = await startReplica(...how);
  how[0].onEnd(service.stop);
  return service;
}
