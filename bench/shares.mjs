// Measures how much another tenant that takes all it can get slows a tenant down: the p99 of its calls under attack ÷ alone.
//
//   npm run build && npx node bench/shares.mjs
//
// The attacks: streams that never end, and usage reports of one human, as many at once as the clients of one machine open. A
// refused call is sent again after its Retry-After, as clients do.
import { fork } from 'node:child_process';
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { withClient } from './ledger.mjs';
import { findFreePort } from './processes.mjs';
import { seed } from './seed.mjs';
import { prepareTenant, startCluster, startService } from './service.mjs';
import { Session, messageOf } from './session.mjs';
import { percentile } from './statistics.mjs';
import { MODEL } from './wire.mjs';

const CALLS = 1_000;
const WARM_UP_CALLS = 300;
const STREAMS = 520;
const REPORTS = 900;
/** A key's default request limit; the other attacks use a key without such a limit. */
const USUAL_REQUESTS_PER_MINUTE = 1_000;

const chat = (/** @type {object} */ fields = {}) =>
  JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'Hello.' }], max_tokens: 16, ...fields });

/** The argument that starts this file as the attack's process. */
const ATTACK = 'attack';

const report = (/** @type {number} */ index) => ({
  path: '/api/v1/usage/report',
  body: JSON.stringify({
    ...{ type: 'conversational_seconds', value: 1, human: 'ann', idempotency_key: `report ${index}` },
  }),
});

/**
 * @typedef {object} Attack
 * @property {number} count
 * @property {(index: number) => { path: string, body: string }} order
 * @property {boolean} [isUsualKey]
 */

/** @type {Record<string, Attack>} */
const ATTACKS = {
  [`${STREAMS} streams`]: {
    count: STREAMS,
    order: () => ({ path: '/v1/chat/completions', body: chat({ stream: true }) }),
  },
  [`${REPORTS} reports of one human`]: { count: REPORTS, order: report },
  [`${REPORTS} reports of one human, by a key of ${USUAL_REQUESTS_PER_MINUTE} requests a minute`]: {
    count: REPORTS,
    order: report,
    isUsualKey: true,
  },
};

/** A provider that answers at once, except to streams, which it never begins. */
async function startProvider() {
  const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 };
  const choices = [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }];
  const answer = JSON.stringify({ id: 'x', object: 'chat.completion', created: 1, model: MODEL, choices, usage });
  const server = http.createServer((request, response) => {
    /** @type {Buffer[]} */
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      if (Buffer.concat(parts).includes('"stream":true')) return;
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  return { server, port: /** @type {import('node:net').AddressInfo} */ (server.address()).port };
}

/**
 * @param {string} origin
 * @param {string} key
 * @returns {Promise<{ p99Ms: number, failed: number }>}
 */
async function measureVictim(origin, key) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  /** @type {number[]} */
  const times = [];
  let failed = 0;
  for (let index = -WARM_UP_CALLS; index < CALLS; index += 1) {
    const startedAt = performance.now();
    const status = await fetch(`${origin}/v1/chat/completions`, { method: 'POST', headers, body: chat() }).then(
      (answer) => answer.arrayBuffer().then(() => answer.status),
      () => 0,
    );
    if (index < 0) continue;
    times.push(performance.now() - startedAt);
    if (status !== 200) failed += 1;
  }
  return { p99Ms: percentile(times, 0.99), failed };
}

/**
 * @param {string} origin
 * @param {string} key
 * @param {string} title of the attack
 * @returns {Promise<() => Promise<Record<string, number>>>} ends it, and gives its answers
 */
async function attack(origin, key, title) {
  const child = fork(fileURLToPath(import.meta.url), [ATTACK]);
  /** @type {Promise<any>} */
  const ended = new Promise((resolve) => child.once('message', resolve));
  child.send({ origin, key, title });
  await sleep(2_000);
  return async () => {
    child.send('stop');
    const statuses = await ended;
    child.disconnect();
    return statuses;
  };
}

/**
 * Runs in a process of its own, so that the attack's client does not slow the victim's.
 * @param {{ origin: string, key: string, title: string }} given
 */
async function runAttack({ origin, key, title }) {
  const { count, order } = ATTACKS[title] ?? { count: 0, order: () => ({ path: '', body: '' }) };
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const control = new AbortController();
  /** @type {Record<string, number>} */
  const statuses = {};
  let sent = 0;
  const one = async () => {
    while (!control.signal.aborted) {
      sent += 1;
      const { path, body } = order(sent);
      const answer = await fetch(origin + path, { method: 'POST', headers, body, signal: control.signal });
      await answer.arrayBuffer();
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      const again = Number(answer.headers.get('retry-after') ?? 0);
      if (again > 0) await sleep(again * 1_000, undefined, { signal: control.signal });
    }
  };
  const all = Array.from({ length: count }, () => one().catch(() => undefined));
  await new Promise((resolve) => process.once('message', resolve));
  control.abort();
  await Promise.all(all);
  process.send?.(statuses);
}

async function main() {
  const session = new Session();
  try {
    session.say('starting Postgres and the service');
    const cluster = await startCluster(session.group, session.runDirectory);
    session.onEnd(() => cluster.stop());
    const tenant = await prepareTenant(cluster);
    const secret = Buffer.from(tenant.peppers.split(':')[1] ?? '', 'base64url');
    const greedy = await seed(cluster.ownerUrl, { version: 1, secret }, 'greedy');
    const usual = await seed(cluster.ownerUrl, { version: 1, secret }, 'usual');
    await withClient(cluster.inspectorUrl, (client) =>
      client.query('UPDATE api_keys SET requests_per_minute = $1 WHERE tenant_id = $2', [
        USUAL_REQUESTS_PER_MINUTE,
        usual.tenantId,
      ]),
    );
    const provider = await startProvider();
    session.onEnd(async () => provider.server.closeAllConnections());
    const port = await findFreePort();
    const service = await startService(
      session.group,
      {
        ...{ cluster, tenant, port, model: MODEL, redisUrl: null },
        upstreamUrl: `http://127.0.0.1:${provider.port}`,
        workDirectory: join(session.runDirectory, 'service'),
        logFile: session.logFile('service'),
      },
      {
        environment: {
          PLATFORM_PROVIDER_TENANTS: [tenant, greedy, usual].map(({ tenantId }) => tenantId).join(','),
          LOG_LEVEL: 'warn',
        },
      },
    );
    session.onEnd(() => service.stop());
    const origin = `http://127.0.0.1:${port}`;

    for (const [title, { isUsualKey }] of Object.entries(ATTACKS)) {
      const { secretKey } = isUsualKey === true ? usual : greedy;
      const alone = await measureVictim(origin, tenant.secretKey);
      const stop = await attack(origin, secretKey, title);
      const under = await measureVictim(origin, tenant.secretKey);
      const statuses = await stop();
      process.stdout.write(
        `${title}: p99 ${under.p99Ms.toFixed(1)} ms ÷ ${alone.p99Ms.toFixed(1)} ms alone = ${(under.p99Ms / alone.p99Ms).toFixed(2)}; ` +
          `${under.failed} of ${CALLS} calls failed; the attack's answers ${JSON.stringify(statuses)}\n`,
      );
      await sleep(1_000);
    }
    await session.close(false);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    await session.close(true);
    process.exitCode = 1;
  }
}

if (process.argv[2] === ATTACK) {
  process.once('message', (given) => void runAttack(/** @type {any} */ (given)).then(() => process.disconnect?.()));
} else {
  await main();
  process.exit();
}
