// How long it takes to be refused: whether the time tells a key that was good once from one that nobody ever had.
//
//   npm run build && node bench/refusal-timing.mjs [--tries 20000] [--keys 100]
//
// One service in production mode, 100,000 keys of 1,000 tenants in its database, one keep-alive connection over loopback,
// one request after the other. In each round every class of keys has one try, in a new random order. Nothing is asserted:
// the report says what can be told apart, and the control (two sets of keys that nobody has) how much of that is chance.
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'undici';
import { compare, mean } from './comparison.mjs';
import { withClient } from './ledger.mjs';
import { findFreePort } from './processes.mjs';
import { prepareTenant, startCluster, startService } from './service.mjs';
import { Session, messageOf } from './session.mjs';
import { median } from './statistics.mjs';

const { values } = parseArgs({
  options: { tries: { type: 'string', default: '20000' }, keys: { type: 'string', default: '100' } },
});
const TRIES = Number(values.tries);
const KEYS_PER_CLASS = Number(values.keys);
const WARM_UP_ROUNDS = 2_000;
const PATH = '/v1/models';

/** Classes of well-formed keys, each with what a key of it has in the database. */
const CLASSES = ['unknown', 'unknown again', 'revoked', 'expired', 'out of grace'];
/** The first one is the control. */
const PAIRS = [
  ['unknown', 'unknown again'],
  ['unknown', 'revoked'],
  ['unknown', 'expired'],
  ['unknown', 'out of grace'],
  ['revoked', 'expired'],
];

/**
 * Fills the database, and makes the keys that will be tried.
 * @param {import('./service.mjs').Cluster} cluster
 * @param {string} peppers as the service is given them
 * @returns {Promise<Map<string, string[]>>} keys by class
 */
async function makeKeys(cluster, peppers) {
  const [{ newSecretKey }, { PepperRing }] = await Promise.all([
    import('../dist/keys/key-format.js'),
    import('../dist/platform/crypto/pepper.js'),
  ]);
  const [version, secret] = peppers.split(':');
  const ring = new PepperRing([{ version: Number(version), secret: Buffer.from(secret, 'base64url') }]);
  const keys = new Map(CLASSES.map((name) => [name, Array.from({ length: KEYS_PER_CLASS }, () => newSecretKey())]));
  const hashesOf = (/** @type {string} */ name) => keys.get(name)?.map((key) => ring.hash(key));
  await withClient(cluster.inspectorUrl, async (client) => {
    await client.query(`INSERT INTO users (id) VALUES ('crowd')`);
    await client.query(
      `INSERT INTO orgs (id, name, slug, created_by) SELECT 'org_' || n, 'Crowd', 'crowd-' || n, 'crowd'
       FROM generate_series(1, 1000) AS n`,
    );
    await client.query(
      `INSERT INTO tenants (id, org_id, name) SELECT 'crowd-' || n, 'org_' || n, 'Crowd' FROM generate_series(1, 1000) AS n`,
    );
    const insert = (/** @type {string} */ columns) =>
      `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by, revoked_at, expires_at)
       SELECT 'key_' || md5(n::text || $1), 'crowd-' || n % 1000 + 1, 'SECRET', 'A key', 'sk_gh_', ${columns}`;
    await client.query(
      insert(`sha256(n::text::bytea), $2, '{chat:write}', 'crowd', NULL, NULL FROM generate_series(1, 100000) AS n`),
      ['crowd', Number(version)],
    );
    const some = insert(
      `u.hash, $2, '{chat:write}', 'crowd', $3, $4 FROM unnest($5::bytea[]) WITH ORDINALITY AS u (hash, n)`,
    );
    const ended = new Date(Date.now() - 3_600_000);
    await client.query(some, ['revoked', Number(version), ended, null, hashesOf('revoked')]);
    await client.query(some, ['expired', Number(version), null, ended, hashesOf('expired')]);
    await client.query(
      `INSERT INTO api_key_retired_secrets (hash, tenant_id, key_id, pepper_version, expires_at)
       SELECT u.hash, k.tenant_id, k.id, $1, $2 FROM unnest($3::bytea[]) WITH ORDINALITY AS u (hash, n)
       JOIN api_keys k ON k.id = 'key_' || md5(u.n::text || 'crowd')`,
      [Number(version), ended, hashesOf('out of grace')],
    );
    await client.query('VACUUM ANALYZE');
  });
  return keys;
}

/**
 * @template T
 * @param {readonly T[]} items
 * @returns {T[]}
 */
function shuffled(items) {
  const result = [...items];
  for (let index = result.length - 1; index > 0; index -= 1) {
    const other = randomInt(index + 1);
    [result[index], result[other]] = [/** @type {T} */ (result[other]), /** @type {T} */ (result[index])];
  }
  return result;
}

/**
 * @param {string} origin
 * @param {Map<string, string[]>} keys
 * @returns {Promise<Map<string, Float64Array>>} microseconds by class
 */
async function measure(origin, keys) {
  const client = new Client(origin, { pipelining: 1 });
  const times = new Map(CLASSES.map((name) => [name, new Float64Array(TRIES)]));
  for (let round = -WARM_UP_ROUNDS; round < TRIES; round += 1) {
    for (const name of shuffled(CLASSES)) {
      const key = keys.get(name)?.[randomInt(KEYS_PER_CLASS)] ?? '';
      const startedAt = process.hrtime.bigint();
      const { statusCode, body } = await client.request({ method: 'GET', path: PATH, headers: { 'x-api-key': key } });
      await body.arrayBuffer();
      const took = Number(process.hrtime.bigint() - startedAt) / 1000;
      if (statusCode !== 401) throw new Error(`a key that is ${name} was answered ${statusCode}`);
      const series = times.get(name);
      if (round >= 0 && series !== undefined) series[round] = took;
    }
  }
  await client.close();
  return times;
}

/** @param {Map<string, Float64Array>} times */
function report(times) {
  const lines = [`${TRIES} tries of each, ${KEYS_PER_CLASS} keys of each; microseconds`, ''];
  for (const [name, series] of times) {
    lines.push(`${name.padEnd(16)} median ${median([...series]).toFixed(1)}   mean ${mean(series).toFixed(1)}`);
  }
  lines.push('', 'difference (second less first), with its 95% interval');
  for (const [one, other] of PAIRS) {
    const [first, second] = [times.get(one ?? ''), times.get(other ?? '')];
    if (first === undefined || second === undefined) continue;
    const { medians, means, welchT, mannWhitneyZ, pValue, superiority } = compare(first, second);
    const interval = (/** @type {import('./comparison.mjs').Estimate} */ { value, low, high }) =>
      `${value.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
    lines.push(
      `${one} / ${other}${one === 'unknown' && other === 'unknown again' ? ' (the control)' : ''}`,
      `  medians ${interval(medians)}   means ${interval(means)}`,
      `  Welch t ${welchT.toFixed(2)}   Mann-Whitney z ${mannWhitneyZ.toFixed(2)}, p ${pValue.toFixed(3)}` +
        `, P(second slower) ${superiority.toFixed(4)}`,
    );
  }
  return lines.join('\n');
}

const session = new Session();
try {
  session.say('starting Postgres, filling it with 100,000 keys');
  const cluster = await startCluster(session.group, session.runDirectory);
  session.onEnd(() => cluster.stop());
  const tenant = await prepareTenant(cluster);
  const keys = await makeKeys(cluster, tenant.peppers);
  const port = await findFreePort();
  const service = await startService(
    session.group,
    {
      cluster,
      tenant,
      port,
      // Nothing goes upstream.
      upstreamUrl: `http://127.0.0.1:${port}`,
      model: 'none',
      redisUrl: null,
      workDirectory: join(session.runDirectory, 'service'),
      logFile: session.logFile('service'),
    },
    // Else the limit of failures is what answers, and that one tells by design.
    { environment: { GATEHOUSE_FAILED_AUTHENTICATIONS_PER_MINUTE: '1000000000', LOG_LEVEL: 'warn' } },
  );
  session.onEnd(() => service.stop());
  session.say(`${TRIES} rounds`);
  const times = await measure(`http://127.0.0.1:${port}`, keys);
  process.stdout.write(`${report(times)}\n`);
  await session.close(false);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  await session.close(true);
  process.exitCode = 1;
}
process.exit();
