// Measures what admission and settlement cost without a call between them: the service's own ledger, in processes of its own,
// over a Postgres with full durability.
//
//   npm run build && npx node bench/admissions.mjs
//
// - One row that all calls of a tenant share, from four processes: admissions a second, and how long each took.
// - Postgres' CPU for a call without budgets, and for a human's three limits, eight calls at once.
// - Postgres' CPU for a settlement with three partitions of the ledger and with twelve.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withClient } from './ledger.mjs';
import { prepareHumans } from './limits.mjs';
import { readTreeCpuSeconds } from './processes.mjs';
import { prepareTenant, startCluster } from './service.mjs';
import { Session, messageOf } from './session.mjs';
import { median, percentile } from './statistics.mjs';

const PROCESSES = 4;
const SHARED_SECONDS = 10;
const SHARED_AT_ONCE = 96;
const CALLS = 2_000;
const BATCH = 8;
const ROUNDS = 5;
const HUMANS = 1_000;

/**
 * @typedef {object} Order
 * @property {string} databaseUrl
 * @property {string} tenantId
 */

/** @param {Order} order */
async function openLedger({ databaseUrl }) {
  const [{ loadSettings }, { Database }, { Metrics }, { ProcessLease }, { UsageLedger }] = await Promise.all([
    import('../dist/platform/config/index.js'),
    import('../dist/platform/database/index.js'),
    import('../dist/platform/metrics/index.js'),
    import('../dist/usage/ledger/process-lease.js'),
    import('../dist/usage/ledger/usage-ledger.js'),
  ]);
  const { settings } = loadSettings({ GATEHOUSE_DEV: '1', DATABASE_URL: databaseUrl });
  const database = new Database(settings);
  const ledger = new UsageLedger(database, new ProcessLease(database, settings), settings, new Metrics());
  await ledger.onApplicationBootstrap();
  return {
    ledger,
    close: async () => {
      await ledger.beforeApplicationShutdown();
      await database.close();
    },
  };
}

const { uuidV7 } = await import('../dist/platform/crypto/index.js');

/**
 * @param {string} tenantId
 * @param {string | null} human
 */
const reservation = (tenantId, human) => ({
  ...{ id: uuidV7(), tenantId, human, keyId: 'key_bench', userId: null, gatewayId: null, gatewayTokenId: null },
  ...{ sealedTokenHash: null, impersonated: null, requestId: 'req_bench', operation: 'chat', route: null, attempt: 1 },
  ...{ provider: 'openai', model: 'gpt-4o-mini', streamed: false, reservedInputTokens: 100, reservedOutputTokens: 256 },
  ...{ defaultOutput: null, closer: null, choices: 1, boundless: null },
  price: { inputPicoUsd: 150_000n, outputPicoUsd: 600_000n },
});

/**
 * @param {string} tenantId
 * @param {string} id
 */
const settlement = (tenantId, id) => ({
  ...{ id, tenantId, outcome: 'OK', statusCode: 200, inputTokens: 63, cachedInputTokens: 0, cacheWriteTokens: 0 },
  ...{ outputTokens: 48, reasoningTokens: 0, costPicoUsd: 38_250_000n, counted: true, estimated: false },
  ...{ latencyMs: 12, firstByteMs: 9 },
});

/**
 * One of several processes: admits and settles many calls at once until the time is over.
 * @param {Order & { seconds: number, atOnce: number }} order
 */
async function admitForAWhile({ seconds, atOnce, ...order }) {
  const { ledger, close } = await openLedger(order);
  process.send?.('ready');
  await new Promise((resolve) => process.once('message', resolve));
  /** @type {number[]} */
  const times = [];
  const endAt = performance.now() + seconds * 1000;
  const one = async () => {
    while (performance.now() < endAt) {
      const asked = reservation(order.tenantId, null);
      const startedAt = performance.now();
      await ledger.reserve(asked);
      times.push(performance.now() - startedAt);
      ledger.settle(settlement(order.tenantId, asked.id));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  await ledger.flush();
  // Closing the channel at once could lose data that is still being sent.
  await new Promise((resolve) => process.send?.(times, undefined, undefined, resolve));
  await close();
  process.disconnect();
}

/**
 * @param {Order} order
 * @param {(text: string) => void} print
 */
async function measureShared(order, print) {
  const children = await Promise.all(
    Array.from({ length: PROCESSES }, async () => {
      const child = fork(fileURLToPath(import.meta.url), [
        JSON.stringify({ ...order, seconds: SHARED_SECONDS, atOnce: SHARED_AT_ONCE }),
      ]);
      await new Promise((resolve) => child.once('message', resolve));
      return child;
    }),
  );
  const answers = children.map(
    (child) =>
      new Promise((/** @type {(times: number[]) => void} */ resolve, reject) => {
        child.once('message', resolve);
        child.once('exit', (code) => reject(new Error(`a process ended with ${code} before it told its times`)));
      }),
  );
  for (const child of children) child.send('begin');
  const times = (await Promise.all(answers)).flat();
  print(
    `one row shared by ${PROCESSES} processes: ${(times.length / SHARED_SECONDS).toFixed(0)} admissions/s, settled too ` +
      `(goal: at least 5,000); p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms (goal: at most 60)`,
  );
}

/**
 * Measures Postgres' CPU for a number of calls, eight at once.
 * @param {import('./service.mjs').Cluster} cluster
 * @param {Order} order
 * @param {Awaited<ReturnType<typeof openLedger>>['ledger']} ledger
 * @param {(index: number) => string | null} humanOf
 * @returns {Promise<{ admitted: number, settled: number }>} microseconds for a call
 */
async function measureCalls(cluster, { tenantId }, ledger, humanOf) {
  const pid = cluster.postmasterPid;
  if (pid === null) throw new Error('this needs /proc');
  const read = () => (readTreeCpuSeconds(pid) ?? 0) * 1e6;
  /** @type {string[]} */
  const ids = [];
  const before = read();
  for (let done = 0; done < CALLS; done += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, index) => reservation(tenantId, humanOf(done + index)));
    await Promise.all(batch.map((one) => ledger.reserve(one)));
    ids.push(...batch.map(({ id }) => id));
  }
  const between = read();
  for (let done = 0; done < CALLS; done += BATCH) {
    for (const id of ids.slice(done, done + BATCH)) ledger.settle(settlement(tenantId, id));
    await ledger.flush();
  }
  return { admitted: (between - before) / CALLS, settled: (read() - between) / CALLS };
}

/**
 * Two kinds of calls that take turns.
 * @template {string} Name
 * @param {readonly Name[]} names
 * @param {(name: Name) => Promise<{ admitted: number, settled: number }>} measure
 */
async function inTurns(names, measure) {
  /** @type {Map<Name, { admitted: number, settled: number }[]>} */
  const turns = new Map(names.map((name) => [name, []]));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const name of names) {
      const turn = await measure(name);
      if (round >= 0) turns.get(name)?.push(turn);
    }
  }
  return (/** @type {Name} */ name, /** @type {(turn: { admitted: number, settled: number }) => number} */ of) =>
    median((turns.get(name) ?? []).map(of));
}

/**
 * Starts a cluster of its own with the given number of partitions of the ledger, and a ledger over it.
 * @param {Session} session
 * @param {string} name
 * @param {number} partitions
 */
async function openSide(session, name, partitions) {
  const cluster = await startCluster(session.group, join(session.runDirectory, name));
  session.onEnd(() => cluster.stop());
  const { tenantId } = await prepareTenant(cluster);
  await withClient(cluster.ownerUrl, (client) =>
    client.query(
      "SELECT add_usage_partition(now() + n * interval '31 days') FROM generate_series(0, $1::int - 1) AS n",
      [partitions],
    ),
  );
  const order = { databaseUrl: cluster.ownerUrl, tenantId };
  const { ledger, close } = await openLedger(order);
  session.onEnd(close);
  return { cluster, order, ledger };
}

async function main() {
  const session = new Session();
  const print = (/** @type {string} */ text) => process.stdout.write(`${text}\n`);
  try {
    session.say('starting Postgres');
    const { cluster, order, ledger } = await openSide(session, 'three', 3);
    const { tenantId } = order;
    const run = (/** @type {string} */ text, /** @type {unknown[]} */ values = []) =>
      withClient(cluster.inspectorUrl, (client) => client.query(text, values));
    const nobody = () => null;
    const settledOnly = (/** @type {{ settled: number }} */ { settled }) => settled;
    const both = (/** @type {{ admitted: number, settled: number }} */ { admitted, settled }) => admitted + settled;

    session.say('calls without budgets');
    const bare = await inTurns(['bare'], () => measureCalls(cluster, order, ledger, nobody));
    print(`a call without budgets: ${bare('bare', both).toFixed(0)} us of Postgres' CPU`);

    session.say("calls under a human's three limits");
    await prepareHumans(cluster, tenantId);
    await run('VACUUM ANALYZE budgets');
    const humans = await inTurns(['free', 'limited'], (name) =>
      measureCalls(cluster, order, ledger, (index) => `${name}-${index % HUMANS}`),
    );
    const [free, limited] = [humans('free', both), humans('limited', both)];
    print(
      `by humans without limits: ${free.toFixed(0)} us, with three: ${limited.toFixed(0)} us: ` +
        `${(limited / free).toFixed(2)} times`,
    );

    session.say('settlements with three and with twelve partitions');
    const many = await openSide(session, 'twelve', 12);
    const sides = { few: { cluster, order, ledger }, many };
    const turns = await inTurns(['few', 'many'], (name) => {
      const side = sides[name];
      return measureCalls(side.cluster, side.order, side.ledger, nobody);
    });
    const [few, lots] = [turns('few', settledOnly), turns('many', settledOnly)];
    print(
      `a settlement with 3 partitions: ${few.toFixed(0)} us, with 12: ${lots.toFixed(0)} us: ${(lots / few).toFixed(2)} ` +
        'times (goal: at most 1.15)',
    );

    session.say('a budget that all calls of a tenant share');
    await run(
      `INSERT INTO budgets (id, tenant_id, holder, type, period, amount, starts_at, ends_at)
       SELECT gen_random_uuid(), $1, 'tenant', 'token_cnt', 'MONTH', 9000000000000000, start, period_end('MONTH', 'UTC', start)
       FROM period_start('MONTH', 'UTC', now()) AS start`,
      [tenantId],
    );
    await measureShared(order, print);
    const { rows } = await run(
      `SELECT b.used / 1000000 AS used, b.held, (SELECT sum(r.input_tokens + r.output_tokens) FROM usage_records r
              WHERE r.tenant_id = b.tenant_id AND r.budget_ids @> ARRAY[b.id]) AS spent
       FROM budgets b WHERE b.holder = 'tenant'`,
    );
    const [{ used, held, spent }] = rows;
    print(`the shared budget says ${used} tokens, the ledger ${spent}; ${held} are held`);
    if (String(used) !== String(spent) || Number(held) !== 0) process.exitCode = 1;
    await session.close(false);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    await session.close(true);
    process.exitCode = 1;
  }
}

if (process.argv[2] === undefined) {
  await main();
  process.exit();
} else await admitForAWhile(JSON.parse(process.argv[2]));
