// Starts all targets, and knows how to call each.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryOut } from './checks.mjs';
import { fillLedger } from './ledger-size.mjs';
import { prepareHumans } from './limits.mjs';
import { PORTKEY_VERSION, startPortkey } from './portkey.mjs';
import { findFreePort, readCpuSeconds, readTreeCpuSeconds } from './processes.mjs';
import * as serviceSide from './service.mjs';
import { here, messageOf } from './session.mjs';
import { MODEL } from './wire.mjs';

/**
 * Something that answers POST /v1/chat/completions.
 * @typedef {object} Target
 * @property {string} id
 * @property {string} title
 * @property {string} process whose CPU time is the target's own
 * @property {string} url
 * @property {Record<string, string>} headers
 * @property {string} upstreamKey the Authorization header that its calls bear at the upstream
 * @property {boolean} [answersItself] from what it kept: the upstream sees nothing of it
 */

/**
 * @typedef {object} Ring
 * @property {string} upstreamUrl without /v1
 * @property {Map<string, Target>} targets those that passed their try-out
 * @property {Map<string, () => number | null>} monitors CPU seconds so far, by process
 * @property {Record<string, string>} absent what could not be measured, and why
 * @property {ServiceInRing | null} service
 */

/**
 * @typedef {object} ServiceInRing
 * @property {import('./service.mjs').ServiceSetup} setup
 * @property {import('./service.mjs').RunningService} running
 * @property {string} build
 */

const JSON_TYPE = { 'content-type': 'application/json' };

/**
 * @param {Ring} ring
 * @param {Pick<Target, 'id' | 'title' | 'process'> & { port: number, key: string, upstreamKey?: string, more?: Record<string, string> }} entry
 */
async function enter(ring, { id, title, process: name, port, key, upstreamKey = key, more = {} }) {
  const target = {
    id,
    title,
    process: name,
    url: `http://127.0.0.1:${port}/v1/chat/completions`,
    headers: { ...JSON_TYPE, authorization: `Bearer ${key}`, ...more },
    upstreamKey: `Bearer ${upstreamKey}`,
  };
  await tryOut(target);
  ring.targets.set(id, target);
}

/**
 * @param {import('./session.mjs').Session} session
 * @param {Ring} ring
 * @param {boolean} withRedis
 */
async function enterService(session, ring, withRedis) {
  session.say('starting Postgres and the service');
  const build = serviceSide.buildStamp();
  // Registered before the start: Postgres runs apart from the bench, and would outlive a Ctrl-C at this point.
  const starting = serviceSide.startCluster(session.group, session.runDirectory);
  session.onEnd(async () => (await starting.catch(() => null))?.stop());
  const cluster = await starting;
  const { postmasterPid } = cluster;
  ring.monitors.set('postgres', () => (postmasterPid === null ? null : readTreeCpuSeconds(postmasterPid)));
  const tenant = await serviceSide.prepareTenant(cluster);
  const redis = withRedis ? await serviceSide.startRedis(session.group, session.logFile('redis')) : null;
  if (redis !== null) {
    session.onEnd(() => redis.child.stop());
    ring.monitors.set('redis', () => readCpuSeconds(redis.child.pid));
  }
  const setup = {
    cluster,
    tenant,
    upstreamUrl: ring.upstreamUrl,
    model: MODEL,
    redisUrl: redis?.url ?? null,
    port: await findFreePort(),
    workDirectory: join(session.runDirectory, 'work'),
    logFile: session.logFile('service'),
  };
  const service = { setup, build, running: await serviceSide.startService(session.group, setup) };
  ring.service = service;
  session.onEnd(() => service.running.child.stop(10_000));
  ring.monitors.set('service', () => readCpuSeconds(service.running.pid));
  await enter(ring, {
    id: 'service',
    title: 'Gatehouse',
    process: 'service',
    port: setup.port,
    key: tenant.secretKey,
    upstreamKey: serviceSide.UPSTREAM_KEY,
  });
}

/**
 * A service beside the one in the ring that differs in its ledger only. Other scenarios and the checks of the ring's own
 * service leave it out.
 * @param {import('./session.mjs').Session} session
 * @param {Ring} ring
 * @param {{ id: string, title: string, ledgerRows: number, environment?: Record<string, string> }} side
 * @returns {Promise<Target>}
 */
export async function openSide(session, ring, { id, title, ledgerRows, environment = {} }) {
  session.say(`starting a Postgres and a service: ${title}`);
  const runDirectory = join(session.runDirectory, id);
  const starting = serviceSide.startCluster(session.group, runDirectory);
  session.onEnd(async () => (await starting.catch(() => null))?.stop());
  const cluster = await starting;
  const { postmasterPid } = cluster;
  ring.monitors.set(`postgres ${id}`, () => (postmasterPid === null ? null : readTreeCpuSeconds(postmasterPid)));
  const tenant = await serviceSide.prepareTenant(cluster);
  await prepareHumans(cluster, tenant.tenantId);
  if (ledgerRows > 0) await fillLedger(cluster, tenant.tenantId, ledgerRows, (text) => session.say(text));
  const setup = {
    cluster,
    tenant,
    upstreamUrl: ring.upstreamUrl,
    model: MODEL,
    redisUrl: null,
    port: await findFreePort(),
    workDirectory: join(runDirectory, 'work'),
    logFile: session.logFile(id),
  };
  const upstreamKey = `sk-upstream-${id}`;
  const running = await serviceSide.startService(session.group, setup, {
    environment: { OPENAI_API_KEY: upstreamKey, ...environment },
  });
  session.onEnd(() => running.child.stop(10_000));
  ring.monitors.set(id, () => readCpuSeconds(running.pid));
  const target = {
    id,
    title,
    process: id,
    url: `http://127.0.0.1:${setup.port}/v1/chat/completions`,
    headers: { ...JSON_TYPE, authorization: `Bearer ${tenant.secretKey}` },
    upstreamKey: `Bearer ${upstreamKey}`,
  };
  await tryOut(target);
  return target;
}

/**
 * @param {import('./session.mjs').Session} session
 * @param {Ring} ring
 */
async function enterPortkey(session, ring) {
  session.say(`fetching and starting Portkey ${PORTKEY_VERSION}`);
  const { cacheDirectory } = session;
  const { child, port } = await startPortkey(session.group, { cacheDirectory, logFile: session.logFile('portkey') });
  session.onEnd(() => child.stop());
  ring.monitors.set('portkey', () => readCpuSeconds(child.pid));
  const entry = {
    id: 'portkey',
    title: `Portkey ${PORTKEY_VERSION}`,
    process: 'portkey',
    port,
    key: 'sk-portkey',
    more: { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${ring.upstreamUrl}/v1` },
  };
  // This gateway reports nowhere that a program could read when it listens.
  for (let attempt = 1; !ring.targets.has('portkey'); attempt += 1) {
    try {
      await enter(ring, entry);
    } catch (error) {
      if (attempt === 20 || child.hasEnded()) throw error;
      await sleep(500);
    }
  }
}

/**
 * @param {import('./session.mjs').Session} session
 * @param {import('./options.mjs').BenchOptions} options
 * @returns {Promise<Ring>}
 */
export async function openRing(session, options) {
  const upstreamArguments = [here('upstream.mjs'), '--delay-ms', String(options.upstreamDelayMs)];
  const upstream = await session.group.startListener('upstream', upstreamArguments);
  session.onEnd(() => upstream.child.stop());
  /** @type {Ring} */
  const ring = {
    upstreamUrl: `http://127.0.0.1:${upstream.port}`,
    targets: new Map(),
    monitors: new Map([['upstream', () => readCpuSeconds(upstream.child.pid)]]),
    absent: {},
    service: null,
  };
  const wanted = (/** @type {string} */ id) => options.targets.includes(id);
  if (wanted('direct')) {
    await enter(ring, {
      id: 'direct',
      title: 'upstream itself',
      process: 'upstream',
      port: upstream.port,
      key: 'sk-direct',
    });
  }
  if (wanted('bare')) {
    const bare = await session.group.startListener('bare proxy', [
      here('bare-proxy.mjs'),
      '--upstream',
      ring.upstreamUrl,
    ]);
    session.onEnd(() => bare.child.stop());
    ring.monitors.set('bare', () => readCpuSeconds(bare.child.pid));
    await enter(ring, { id: 'bare', title: 'bare proxy', process: 'bare', port: bare.port, key: 'sk-bare' });
  }
  const tryTo = async (/** @type {string} */ id, /** @type {() => Promise<void>} */ start) => {
    try {
      await start();
    } catch (error) {
      if (session.closing) throw error;
      ring.absent[id] = messageOf(error);
      session.say(`${id} is not measured: ${ring.absent[id]}`);
    }
  };
  if (wanted('service')) await tryTo('service', () => enterService(session, ring, options.redis));
  if (wanted('portkey') && !options.profile) await tryTo('portkey', () => enterPortkey(session, ring));
  return ring;
}
