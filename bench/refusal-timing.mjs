// Measures how long a refusal takes: whether the time tells a credential that was once good from one that never existed.
//
//   npm run build && node bench/refusal-timing.mjs [--kind keys | gateways | sealed] [--tries 20000] [--keys 100]
//
// One service in production mode, 100,000 keys of 1,000 tenants in its database, one keep-alive connection over loopback, one
// request after the other. In each round every class of credentials has one try, in a new random order. Nothing is asserted:
// the report says which classes can be told apart, and the control (two sets of unknown ones) shows how much of that is chance.
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'undici';
import { compare, mean } from './comparison.mjs';
import { findFreePort } from './processes.mjs';
import { fillWithKeys, KINDS } from './refused-credentials.mjs';
import { prepareTenant, startCluster, startService } from './service.mjs';
import { Session, messageOf } from './session.mjs';
import { median } from './statistics.mjs';

const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'keys' },
    tries: { type: 'string', default: '20000' },
    keys: { type: 'string', default: '100' },
  },
});
const TRIES = Number(values.tries);
const KEYS_PER_CLASS = Number(values.keys);
const WARM_UP_ROUNDS = Math.min(2_000, TRIES);
const kind = KINDS[values.kind];
if (kind === undefined) throw new Error(`--kind knows ${Object.keys(KINDS).join(', ')}; not "${values.kind}"`);
const CLASSES = kind.classes;

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
 * @param {import('./refused-credentials.mjs').RefusedKind} refused
 * @returns {Promise<Map<string, Float64Array>>} microseconds by class
 */
async function measure(origin, keys, refused) {
  const client = new Client(origin, { pipelining: 1 });
  const times = new Map(CLASSES.map((name) => [name, new Float64Array(TRIES)]));
  for (let round = -WARM_UP_ROUNDS; round < TRIES; round += 1) {
    for (const name of shuffled(CLASSES)) {
      const key = keys.get(name)?.[randomInt(KEYS_PER_CLASS)] ?? '';
      const request = refused.ask(key);
      const startedAt = process.hrtime.bigint();
      const { statusCode, body } = await client.request(request);
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

/**
 * @param {Map<string, Float64Array>} times
 * @param {import('./refused-credentials.mjs').RefusedKind} refused
 */
function report(times, refused) {
  const lines = [`${values.kind}: ${TRIES} tries of each, ${KEYS_PER_CLASS} of each; microseconds`, ''];
  for (const [name, series] of times) {
    lines.push(`${name.padEnd(16)} median ${median([...series]).toFixed(1)}   mean ${mean(series).toFixed(1)}`);
  }
  lines.push('', 'difference (second less first), with its 95% interval');
  for (const [place, [one, other]] of refused.pairs.entries()) {
    const [first, second] = [times.get(one ?? ''), times.get(other ?? '')];
    if (first === undefined || second === undefined) continue;
    const { medians, means, welchT, mannWhitneyZ, pValue, superiority } = compare(first, second);
    const interval = (/** @type {import('./comparison.mjs').Estimate} */ { value, low, high }) =>
      `${value.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
    lines.push(
      `${one} / ${other}${place === 0 ? ' (the control)' : ''}`,
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
  await fillWithKeys(cluster, tenant.peppers);
  const keys = await kind.make({ cluster, tenant, count: KEYS_PER_CLASS });
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
    // Otherwise the limit of failed authentications would answer, and that limit differs by design.
    {
      environment: {
        ...{ GATEHOUSE_FAILED_AUTHENTICATIONS_PER_MINUTE: '1000000000', LOG_LEVEL: 'warn' },
        ...kind.environment,
      },
    },
  );
  session.onEnd(() => service.stop());
  session.say(`${TRIES} rounds`);
  const times = await measure(`http://127.0.0.1:${port}`, keys, kind);
  process.stdout.write(`${report(times, kind)}\n`);
  await session.close(false);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  await session.close(true);
  process.exitCode = 1;
}
process.exit();
