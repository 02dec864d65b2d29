// Measures how much another tenant that takes all it can get slows a tenant down: the p99 of its calls under attack ÷ alone.
//
//   npm run build && npx node bench/shares.mjs [a regular expression that the attacks' titles match]
//
// The attacks: streams that never end, usage reports, lists, lists by a key without the scope, and wrong credentials, as many at
// once as the clients of one machine open. A refused call is sent again after its Retry-After, as clients do; those that guess
// credentials don't wait.
import { randomBytes } from 'node:crypto';
import { fork } from 'node:child_process';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { withClient } from './ledger.mjs';
import { seed } from './seed.mjs';
import { Session, messageOf } from './session.mjs';
import { startGround, startOwnService } from './stage.mjs';
import { percentile } from './statistics.mjs';
import { MODEL } from './wire.mjs';

const ROUNDS = 3;
/** In each round. */
const CALLS = 700;
const WARM_UP_CALLS = 200;
const STREAMS = 520;
const REPORTS = 900;
const GUESSES = 300;
/** A key's default request limit; the other attacks use a key without such a limit. */
const USUAL_REQUESTS_PER_MINUTE = 1_000;

const chat = (/** @type {object} */ fields = {}) =>
  JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'Hello.' }], max_tokens: 16, ...fields });

const USAGE_ISSUER = 'urn:gatehouse:usage-tokens';

/** The argument that starts this file as the attack's process. */
const ATTACK = 'attack';

/**
 * @typedef {object} Order
 * @property {string} path
 * @property {string} body
 * @property {Record<string, string>} [headers]
 */

/** @returns {Order} */
const report = (/** @type {number} */ index, human = 'ann') => ({
  path: '/api/v1/usage/report',
  body: JSON.stringify({ type: 'conversational_seconds', value: 1, human, idempotency_key: `${human} ${index}` }),
});

const encoded = (/** @type {object} */ part) => Buffer.from(JSON.stringify(part)).toString('base64url');
/** A JWT whose signature is wrong. */
const forged = (/** @type {object} */ header, /** @type {object} */ claims) =>
  `${encoded({ alg: 'ES256', ...header })}.${encoded({ iat: 1, exp: 9_999_999_999, ...claims })}.${randomBytes(64).toString('base64url')}`;

const forgedUsageToken = (/** @type {string} */ kid) =>
  forged({ typ: 'usage+jwt', kid }, { iss: USAGE_ISSUER, jti: `ut_${'a'.repeat(24)}` });

/** @returns {Order} */
const guess = (/** @type {string} */ credential, headers = {}) => ({
  path: '/v1/chat/completions',
  body: chat(),
  headers: { authorization: `Bearer ${credential}`, ...headers },
});

/** Of a proxy that the service trusts: each call comes from another address. */
const fromAnywhere = () => ({ 'x-forwarded-for': [10, ...randomBytes(3)].join('.') });

/**
 * @typedef {object} Attack
 * @property {number} count
 * @property {(index: number, given: { newKey: () => string, kid: string }) => Order} order kid: of the key that signs usage tokens
 * @property {'usual' | 'unscoped'} [by] the tenant; absent: greedy, with the best of keys
 * @property {boolean} [isRude] does not wait for as long as it is told
 */

/** @type {Record<string, Attack>} */
const ATTACKS = {
  [`${STREAMS} streams`]: {
    count: STREAMS,
    order: () => ({ path: '/v1/chat/completions', body: chat({ stream: true }) }),
  },
  [`${REPORTS} reports of one human`]: { count: REPORTS, order: (index) => report(index) },
  [`${REPORTS} reports of as many humans`]: {
    count: REPORTS,
    order: (index) => report(index, `human ${index % REPORTS}`),
  },
  [`${REPORTS} reports of one human, by a key of ${USUAL_REQUESTS_PER_MINUTE} requests a minute`]: {
    count: REPORTS,
    order: (index) => report(index),
    by: 'usual',
  },
  [`${REPORTS} lists of gateways`]: { count: REPORTS, order: () => ({ path: '/api/v1/gateways/list', body: '{}' }) },
  [`${REPORTS} lists by a key without the scope`]: {
    count: REPORTS,
    order: () => ({ path: '/api/v1/gateways/list', body: '{}' }),
    by: 'unscoped',
    isRude: true,
  },
  [`${GUESSES} wrong keys from one address`]: {
    count: GUESSES,
    order: (_index, { newKey }) => guess(newKey()),
    isRude: true,
  },
  [`${GUESSES} wrong keys from many addresses`]: {
    count: GUESSES,
    order: (_index, { newKey }) => guess(newKey(), fromAnywhere()),
    isRude: true,
  },
  [`${GUESSES} forged usage tokens from one address`]: {
    count: GUESSES,
    order: (_index, { kid }) => guess(forgedUsageToken(kid)),
    isRude: true,
  },
  [`${GUESSES} forged usage tokens from many addresses`]: {
    count: GUESSES,
    order: (_index, { kid }) => guess(forgedUsageToken(kid), fromAnywhere()),
    isRude: true,
  },
  [`${GUESSES} JWTs of a stranger from many addresses`]: {
    count: GUESSES,
    order: () => guess(forged({}, { iss: 'https://stranger.example' }), fromAnywhere()),
    isRude: true,
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
 * @returns {Promise<{ p99Ms: number, p50Ms: number, failed: number }>}
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
  return { p99Ms: percentile(times, 0.99), p50Ms: percentile(times, 0.5), failed };
}

/**
 * @param {string} origin
 * @param {string} key
 * @param {string} title of the attack
 * @returns {Promise<() => Promise<{ statuses: Record<string, number>, seconds: number, cores: number }>>} ends it; gives its
 *   answers, for how long it ran, and of how many cores its process had all the time
 */
async function attack(origin, key, title) {
  const child = fork(fileURLToPath(import.meta.url), [ATTACK]);
  /** @type {Promise<any>} */
  const ended = new Promise((resolve) => child.once('message', resolve));
  child.send({ origin, key, title });
  await sleep(2_000);
  return async () => {
    child.send('stop');
    const result = await ended;
    child.disconnect();
    return result;
  };
}

/**
 * Runs in a process of its own, so that the attack's client does not slow the victim's.
 * @param {{ origin: string, key: string, title: string }} given
 */
async function runAttack({ origin, key, title }) {
  const attack = ATTACKS[title];
  if (attack === undefined) throw new Error(`no such attack: ${title}`);
  const { newSecretKey } = await import('../dist/keys/key-format.js');
  const jwks = /** @type {any} */ (await fetch(`${origin}/.well-known/jwks.json`).then((answer) => answer.json()));
  const given = { newKey: newSecretKey, kid: String(jwks.keys[0].kid) };
  const usual = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const control = new AbortController();
  /** @type {Record<string, number>} */
  const statuses = {};
  let sent = 0;
  const one = async () => {
    while (!control.signal.aborted) {
      sent += 1;
      const { path, body, headers: own } = attack.order(sent, given);
      const headers = { ...usual, ...own };
      const answer = await fetch(origin + path, { method: 'POST', headers, body, signal: control.signal });
      await answer.arrayBuffer();
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      const again = Number(answer.headers.get('retry-after') ?? 0);
      if (again > 0 && attack.isRude !== true) await sleep(again * 1_000, undefined, { signal: control.signal });
    }
  };
  const all = Array.from({ length: attack.count }, () => one().catch(() => undefined));
  await new Promise((resolve) => process.once('message', resolve));
  control.abort();
  await Promise.all(all);
  const { user, system } = process.cpuUsage();
  const seconds = process.uptime();
  process.send?.({ statuses, seconds, cores: (user + system) / 1e6 / seconds });
}

/**
 * Writes the round of which the ratio is in the middle: a machine is never wholly quiet.
 *
 * @typedef {Awaited<ReturnType<typeof measureVictim>>} Measured
 * @param {string} title
 * @param {{ alone: Measured, under: Measured, ratio: number, statuses: Record<string, number>, seconds: number, cores: number }[]} rounds
 */
function say(title, rounds) {
  const sorted = rounds.toSorted((one, other) => one.ratio - other.ratio);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) return;
  const { alone, under, ratio, statuses, seconds, cores } = middle;
  const failed = rounds.reduce((sum, round) => sum + round.under.failed, 0);
  const ratios = sorted.map((round) => round.ratio.toFixed(2)).join(', ');
  process.stdout.write(
    `${title}: p99 ${under.p99Ms.toFixed(1)} ms ÷ ${alone.p99Ms.toFixed(1)} ms alone = ${ratio.toFixed(2)} (of ${ratios}); ` +
      `p50 ${under.p50Ms.toFixed(1)} ms ÷ ${alone.p50Ms.toFixed(1)} ms; ${failed} of ${CALLS * rounds.length} calls failed; ` +
      `the attack's answers ${JSON.stringify(statuses)} in ${seconds.toFixed(0)} s, its client took ${cores.toFixed(2)} cores\n`,
  );
}

/** @param {string} wanted a regular expression that the attacks' titles match */
async function main(wanted) {
  const session = new Session();
  try {
    const ground = await startGround(session);
    const { cluster, tenant } = ground;
    const secret = Buffer.from(tenant.peppers.split(':')[1] ?? '', 'base64url');
    const greedy = await seed(cluster.ownerUrl, { version: 1, secret }, 'greedy');
    const usual = await seed(cluster.ownerUrl, { version: 1, secret }, 'usual');
    const unscoped = await seed(cluster.ownerUrl, { version: 1, secret }, 'unscoped');
    await withClient(cluster.inspectorUrl, async (client) => {
      await client.query('UPDATE api_keys SET requests_per_minute = $1 WHERE tenant_id = $2', [
        USUAL_REQUESTS_PER_MINUTE,
        usual.tenantId,
      ]);
      await client.query("UPDATE api_keys SET scopes = '{chat:write}' WHERE tenant_id = $1", [unscoped.tenantId]);
    });
    const attackers = { greedy, usual, unscoped };
    const provider = await startProvider();
    session.onEnd(async () => provider.server.closeAllConnections());
    const { port } = await startOwnService(session, ground, provider.port, {
      PLATFORM_PROVIDER_TENANTS: [tenant, ...Object.values(attackers)].map(({ tenantId }) => tenantId).join(','),
      TRUSTED_PROXIES: '127.0.0.1/32',
      LOG_LEVEL: 'error',
    });
    const origin = `http://127.0.0.1:${port}`;

    for (const [title, { by = 'greedy' }] of Object.entries(ATTACKS)) {
      if (!new RegExp(wanted).test(title)) continue;
      const { secretKey } = attackers[by];
      const rounds = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const alone = await measureVictim(origin, tenant.secretKey);
        const stop = await attack(origin, secretKey, title);
        const under = await measureVictim(origin, tenant.secretKey);
        rounds.push({ alone, under, ratio: under.p99Ms / alone.p99Ms, ...(await stop()) });
        await sleep(1_000);
      }
      say(title, rounds);
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
  await main(process.argv[2] ?? '');
  process.exit();
}
