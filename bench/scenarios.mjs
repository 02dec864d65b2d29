// What is measured, as data. A new scenario is a new entry, and a new kind is a new function in `RUNNERS`.
import { setTimeout as sleep } from 'node:timers/promises';
import { makeGateways } from './gateways.mjs';
import { CROWDS } from './limits.mjs';
import { LONG_ROWS, SHORT_ROWS } from './ledger-size.mjs';
import { TRACE_COLLECTIONS } from './promoted.mjs';
import { median } from './statistics.mjs';

const MESSAGES = [
  { role: 'system', content: 'You are a concise assistant for the harbour office. Answer in one or two sentences.' },
  {
    role: 'user',
    content:
      'How many ships passed the lighthouse yesterday, which of them did not come back into the bay, and whom should ' +
      'the night watch call when the next one is late?',
  },
];

/** Bodies as an unmodified client sends them: no `stream_options`, so that the gateway must ask for the usage itself. */
export const BODIES = {
  json: (/** @type {string} */ model) =>
    JSON.stringify({ model, messages: MESSAGES, temperature: 0.2, max_tokens: 256 }),
  stream: (/** @type {string} */ model) =>
    JSON.stringify({ model, messages: MESSAGES, temperature: 0.2, max_tokens: 256, stream: true }),
};

/**
 * @typedef {object} Scenario
 * @property {string} id
 * @property {string} title
 * @property {'throughput' | 'latency' | 'memory' | 'durability' | 'limits' | 'budgets' | 'sealed' | 'gateways' | 'ledgerSize'} kind
 * @property {keyof typeof BODIES} body
 * @property {number} connections
 * @property {string[]} targets
 */

/** @type {Scenario[]} */
export const SCENARIOS = [
  {
    id: 'json128',
    title: 'JSON, 128 connections',
    kind: 'throughput',
    body: 'json',
    connections: 128,
    targets: ['direct', 'bare', 'service', 'portkey'],
  },
  {
    id: 'json32',
    title: 'JSON, 32 connections',
    kind: 'throughput',
    body: 'json',
    connections: 32,
    targets: ['bare', 'service', 'portkey'],
  },
  {
    id: 'stream128',
    title: 'Streams of 50 chunks, 128 connections',
    kind: 'throughput',
    body: 'stream',
    connections: 128,
    targets: ['direct', 'bare', 'service', 'portkey'],
  },
  {
    id: 'stream32',
    title: 'Streams of 50 chunks, 32 connections',
    kind: 'throughput',
    body: 'stream',
    connections: 32,
    targets: ['bare', 'service', 'portkey'],
  },
  {
    id: 'latency',
    title: 'JSON, one call at a time',
    kind: 'latency',
    body: 'json',
    connections: 1,
    targets: ['direct', 'bare', 'service', 'portkey'],
  },
  {
    id: 'firstToken',
    title: 'Streams, one at a time, to the first token',
    kind: 'latency',
    body: 'stream',
    connections: 1,
    targets: ['direct', 'bare', 'service', 'portkey'],
  },
  {
    id: 'memory',
    title: 'Resident memory of a fresh service',
    kind: 'memory',
    body: 'json',
    connections: 128,
    targets: ['service'],
  },
  {
    id: 'durability',
    title: 'JSON, 128 connections, synchronous_commit = off',
    kind: 'durability',
    body: 'json',
    connections: 128,
    targets: ['bare', 'service'],
  },
  {
    id: 'limits',
    title: 'JSON, humans with limits',
    kind: 'limits',
    body: 'json',
    connections: 128,
    targets: ['service'],
  },
  {
    id: 'json10',
    title: 'JSON, 10 connections',
    kind: 'throughput',
    body: 'json',
    connections: 10,
    targets: ['bare', 'service', 'portkey'],
  },
  {
    id: 'budgets',
    title: 'JSON, budgets of the tenant, the key and 1,000 humans, two periods each, 128 connections',
    kind: 'budgets',
    body: 'json',
    connections: 128,
    targets: ['service'],
  },
  {
    id: 'sealed',
    title: 'JSON, a secret key and a sealed access token in turn, 32 connections',
    kind: 'sealed',
    body: 'json',
    connections: 32,
    targets: ['service'],
  },
  {
    id: 'gateways',
    title: "JSON, a secret key, a gateway's token and a hit of a gateway's cache in turn, 32 connections",
    kind: 'gateways',
    body: 'json',
    connections: 32,
    targets: ['service'],
  },
  {
    id: 'ledger',
    title: 'JSON, over a short and a long ledger',
    kind: 'ledgerSize',
    body: 'json',
    connections: 32,
    targets: ['service'],
  },
];

/** @typedef {import('./meter.mjs').Turn} Turn */

/**
 * @typedef {object} TargetSummary
 * @property {number} requestsPerSecond median
 * @property {number} lowest
 * @property {number} highest
 * @property {number} p50Ms median of the turns' medians
 * @property {number} p99Ms
 * @property {number} requests
 * @property {number} non2xx
 * @property {number} errors
 * @property {Record<string, number | null>} cpuSeconds by process, all turns
 * @property {number | null} cpuMicrosPerRequest of the target's own process
 */

/**
 * @typedef {object} Memory
 * @property {number | null} rssBytes
 * @property {number | null} heapBytes in use, as the service tells it
 * @property {number | null} promotedBytes moved to the old space since the start; null: the service does not trace collections
 */

/**
 * What a runner is given.
 * @typedef {object} BenchContext
 * @property {import('./options.mjs').BenchOptions} options
 * @property {Map<string, import('./ring.mjs').Target>} targets those that could be started
 * @property {string} model
 * @property {(target: import('./ring.mjs').Target, order: import('./meter.mjs').MeasureOrder) => Promise<Turn>} measure
 * @property {(order: import('./latency.mjs').LatencyOrder) => Promise<import('./latency.mjs').LatencyResult>} measureLatency
 * @property {(variation?: Parameters<typeof import('./service.mjs').startService>[2]) => Promise<void>} restartService
 * @property {(value: 'on' | 'off') => Promise<void>} setSynchronousCommit
 * @property {() => Promise<void>} prepareHumans
 * @property {(on: boolean) => Promise<void>} putBudgets
 * @property {string} upstreamUrl without /v1
 * @property {(id: string, title: string, ledgerRows: number, environment?: Record<string, string>) =>
 *   Promise<import('./ring.mjs').Target>} openSide another service, on a database of its own with a ledger of so many rows
 * @property {() => Promise<Memory>} readServiceMemory
 * @property {(text: string) => void} say
 */

/**
 * @param {Turn[]} turns
 * @param {string} ownProcess
 * @returns {TargetSummary}
 */
function summarize(turns, ownProcess) {
  const rates = turns.map(({ load }) => load.requestsPerSecond);
  const total = (/** @type {(turn: Turn) => number} */ pick) => turns.reduce((all, turn) => all + pick(turn), 0);
  /** @type {Record<string, number | null>} */
  const cpuSeconds = {};
  for (const name of Object.keys(turns[0]?.cpuSeconds ?? {})) {
    const values = turns.map((turn) => turn.cpuSeconds[name] ?? null);
    cpuSeconds[name] = values.includes(null) ? null : values.reduce((all, value) => Number(all) + Number(value), 0);
  }
  const requests = total(({ load }) => load.requests);
  const own = cpuSeconds[ownProcess] ?? null;
  return {
    requestsPerSecond: median(rates),
    lowest: Math.min(...rates),
    highest: Math.max(...rates),
    p50Ms: median(turns.map(({ load }) => load.latencyMs.p50)),
    p99Ms: median(turns.map(({ load }) => load.latencyMs.p99)),
    requests,
    non2xx: total(({ load }) => load.non2xx),
    errors: total(({ load }) => load.errors + load.timeouts),
    cpuSeconds,
    cpuMicrosPerRequest: own === null || requests === 0 ? null : (own / requests) * 1e6,
  };
}

/**
 * The targets take turns, so that a slow phase of the machine meets all of them alike.
 * @param {Scenario} scenario
 * @param {BenchContext} context
 */
async function runThroughput(scenario, context) {
  const targets = scenario.targets.flatMap((id) => context.targets.get(id) ?? []);
  const body = BODIES[scenario.body](context.model);
  /** @type {Record<string, Turn[]>} */
  const turns = {};
  for (let round = 0; round < context.options.rounds; round += 1) {
    for (const target of targets) {
      const order = { body, connections: scenario.connections };
      // The first turn of all pays for the just-in-time compiler.
      const warmups = round === 0 && !context.options.quick ? 2 : 1;
      await context.measure(target, { ...order, seconds: context.options.warmupSeconds * warmups });
      const turn = await context.measure(target, { ...order, seconds: context.options.seconds });
      (turns[target.id] ??= []).push(turn);
      context.say(`${scenario.id} ${target.id}: ${turn.load.requestsPerSecond.toFixed(0)}/s`);
    }
  }
  /** @type {Record<string, TargetSummary>} */
  const summaries = {};
  for (const target of targets) summaries[target.id] = summarize(turns[target.id] ?? [], target.process);
  return { summaries, turns };
}

/**
 * @param {Scenario} scenario
 * @param {BenchContext} context
 */
async function runLatency(scenario, context) {
  const targets = scenario.targets.flatMap((id) => context.targets.get(id) ?? []);
  const byTarget = await context.measureLatency({
    targets: targets.map(({ id, url, headers }) => ({ id, url, headers })),
    body: BODIES[scenario.body](context.model),
    warmups: 200,
    blocks: context.options.quick ? 10 : 40,
    blockSize: 50,
    until: scenario.body === 'stream' ? 'first' : 'end',
  });
  context.say(
    `${scenario.id}: ${Object.entries(byTarget)
      .map(([id, { p50Ms }]) => `${id} ${p50Ms.toFixed(2)} ms`)
      .join(', ')}`,
  );
  return { byTarget };
}

/**
 * Sends an exact number of requests to a service that has served none, and reads its memory at each checkpoint after a moment
 * of rest.
 * @param {Scenario} scenario
 * @param {BenchContext} context
 */
async function runMemory(scenario, context) {
  const target = context.targets.get('service');
  if (target === undefined) return null;
  await context.restartService({ nodeArguments: [TRACE_COLLECTIONS] });
  const body = BODIES[scenario.body](context.model);
  /** @type {({ requests: number } & Memory)[]} */
  const readings = [{ requests: 0, ...(await context.readServiceMemory()) }];
  let sent = 0;
  let non2xx = 0;
  let errors = 0;
  const checkpoints = context.options.memoryCheckpoints;
  for (const [index, checkpoint] of checkpoints.entries()) {
    const { load } = await context.measure(target, {
      body,
      connections: scenario.connections,
      amount: checkpoint - sent,
    });
    sent = checkpoint;
    non2xx += load.non2xx;
    errors += load.errors + load.timeouts;
    await sleep(index === 0 || index === checkpoints.length - 1 ? context.options.restMs : 1_000);
    const reading = { requests: sent, ...(await context.readServiceMemory()) };
    readings.push(reading);
    context.say(`memory after ${sent}: ${((reading.rssBytes ?? 0) / 1e6).toFixed(0)} MB`);
  }
  const first = readings[1]?.rssBytes ?? null;
  const last = readings.at(-1)?.rssBytes ?? null;
  return { readings, ratio: first === null || last === null ? null : last / first, non2xx, errors };
}

/**
 * The same load on the same service while its database acknowledges commits before they are on the disk. The bare proxy runs
 * beside it again, so that the two halves of the ratio can be compared although they were measured at other times.
 * @param {Scenario} scenario
 * @param {BenchContext} context
 */
async function runDurability(scenario, context) {
  if (!context.targets.has('service')) return null;
  await context.setSynchronousCommit('off');
  try {
    await context.restartService();
    return await runThroughput(scenario, context);
  } finally {
    await context.setSynchronousCommit('on');
    await context.restartService();
  }
}

/**
 * The same service under several loads, which take turns as targets do.
 * @param {Scenario} scenario
 * @param {BenchContext} context
 * @param {import('./ring.mjs').Target} target
 * @param {(Pick<import('./limits.mjs').Crowd, 'id' | 'title' | 'connections' | 'order' | 'headers'> &
 *   Partial<Pick<import('./ring.mjs').Target, 'url' | 'answersItself'>>)[]} crowds
 * @param {(id: string) => Promise<void>} before each turn
 */
async function takeTurns(scenario, context, target, crowds, before) {
  const body = BODIES[scenario.body](context.model);
  /** @type {Record<string, Turn[]>} */
  const turns = {};
  for (let round = 0; round < context.options.rounds; round += 1) {
    for (const { id, connections, order, headers, url = target.url, answersItself = false } of crowds) {
      await before(id);
      const asked = { ...target, url, answersItself, headers: { ...target.headers, ...headers } };
      const load = { body, connections, ...order };
      await context.measure(asked, { ...load, seconds: context.options.warmupSeconds });
      const turn = await context.measure(asked, { ...load, seconds: context.options.seconds });
      (turns[id] ??= []).push(turn);
      context.say(`${scenario.id} ${id}: ${turn.load.requestsPerSecond.toFixed(0)}/s`);
    }
  }
  /** @type {Record<string, TargetSummary>} */
  const summaries = {};
  for (const { id } of crowds) summaries[id] = summarize(turns[id] ?? [], target.process);
  const titles = Object.fromEntries(crowds.map(({ id, title }) => [id, title]));
  return { summaries, turns, titles, process: target.process };
}

/**
 * @param {Scenario} scenario
 * @param {BenchContext} context
 */
async function runLimits(scenario, context) {
  const target = context.targets.get('service');
  if (target === undefined) return null;
  await context.prepareHumans();
  return takeTurns(scenario, context, target, CROWDS, async () => undefined);
}

/**
 * Compares the same humans' calls without budgets and with them, in turn.
 * @param {Scenario} scenario
 * @param {BenchContext} context
 */
async function runBudgets(scenario, context) {
  const target = context.targets.get('service');
  if (target === undefined) return null;
  await context.prepareHumans();
  const order = { rotate: { header: 'x-human-id', prefix: 'free-', count: 1_000 } };
  const crowds = [
    { id: 'without', title: 'without budgets', connections: scenario.connections, order, headers: {} },
    { id: 'with', title: 'with six for each call', connections: scenario.connections, order, headers: {} },
  ];
  try {
    return await takeTurns(scenario, context, target, crowds, (id) => context.putBudgets(id === 'with'));
  } finally {
    await context.putBudgets(false);
  }
}

/**
 * The same calls by the tenant's secret key and by a sealed access token that it made, in turn.
 * @param {Scenario} scenario
 * @param {BenchContext} context
 */
async function runSealed(scenario, context) {
  const target = context.targets.get('service');
  if (target === undefined) return null;
  const answer = await fetch(new URL('/api/v1/oauth/token', target.url), {
    method: 'POST',
    headers: target.headers,
    body: JSON.stringify({
      requestAuthAndQuotas: {
        serviceSecrets: [{ serviceId: 'chat:openai.com', authSecret: target.upstreamKey.replace(/^Bearer /, '') }],
      },
    }),
  });
  if (!answer.ok) throw new Error(`no sealed access token was made: ${answer.status} ${await answer.text()}`);
  const { access_token: token } = /** @type {{ access_token: string }} */ (await answer.json());
  const { connections } = scenario;
  const crowds = [
    { id: 'key', title: 'by a secret key', connections, order: {}, headers: {} },
    { id: 'token', title: 'by a sealed token', connections, order: {}, headers: { authorization: `Bearer ${token}` } },
  ];
  return takeTurns(scenario, context, target, crowds, async () => undefined);
}

/**
 * The same calls by the tenant's secret key, by a gateway's token, and by one of a gateway that has kept the answer, in turn.
 * @param {Scenario} scenario
 * @param {BenchContext} context
 */
async function runGateways(scenario, context) {
  if (!context.targets.has('service')) return null;
  // In production a tenant's provider, and so a gateway's, can't stand on loopback without TLS.
  const environment = { GATEHOUSE_DEV: '1', OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8' };
  const side = await context.openSide('gateways', 'in development mode, for gateways', 0, environment);
  const { connections, body } = scenario;
  const given = { side, upstreamUrl: context.upstreamUrl, model: context.model, body: BODIES[body](context.model) };
  const { plain, keeping } = await makeGateways(given);
  const crowds = [
    { id: 'key', title: 'by a secret key', connections, order: {}, headers: {} },
    { id: 'token', title: "by a gateway's token", connections, order: {}, ...plain },
    { id: 'hit', title: "a hit of a gateway's cache", connections, order: {}, ...keeping, answersItself: true },
  ];
  return takeTurns(scenario, context, side, crowds, async () => undefined);
}

/**
 * Compares two services that differ in the length of their ledgers only: turns of load, and one call at a time.
 * @param {Scenario} scenario
 * @param {BenchContext} context
 */
async function runLedgerSize(scenario, context) {
  if (!context.targets.has('service')) return null;
  const long = context.options.ledgerRows ?? (context.options.quick ? LONG_ROWS / 100 : LONG_ROWS);
  const sides = [
    await context.openSide('short', `ledger of ${SHORT_ROWS} rows`, SHORT_ROWS),
    await context.openSide('long', `ledger of ${long} rows`, long),
  ];
  const body = BODIES[scenario.body](context.model);
  const headers = { 'x-human-id': 'limited-0' };
  /** @type {Record<string, Turn[]>} */
  const turns = {};
  for (let round = 0; round < context.options.rounds; round += 1) {
    for (const side of sides) {
      const order = {
        body,
        connections: scenario.connections,
        rotate: { header: 'x-human-id', prefix: 'limited-', count: 1_000 },
      };
      await context.measure(side, { ...order, seconds: context.options.warmupSeconds });
      const turn = await context.measure(side, { ...order, seconds: context.options.seconds });
      (turns[side.id] ??= []).push(turn);
      context.say(`${scenario.id} ${side.id}: ${turn.load.requestsPerSecond.toFixed(0)}/s`);
    }
  }
  /** @type {Record<string, TargetSummary>} */
  const summaries = {};
  for (const side of sides) summaries[side.id] = summarize(turns[side.id] ?? [], side.process);
  const byTarget = await context.measureLatency({
    targets: sides.map((side) => ({ id: side.id, url: side.url, headers: { ...side.headers, ...headers } })),
    body,
    warmups: 200,
    blocks: context.options.quick ? 10 : 40,
    blockSize: 50,
    until: 'end',
  });
  return { summaries, turns, byTarget, titles: Object.fromEntries(sides.map(({ id, title }) => [id, title])) };
}

/** @type {Record<Scenario['kind'], (scenario: Scenario, context: BenchContext) => Promise<any>>} */
export const RUNNERS = {
  throughput: runThroughput,
  latency: runLatency,
  memory: runMemory,
  durability: runDurability,
  limits: runLimits,
  budgets: runBudgets,
  sealed: runSealed,
  gateways: runGateways,
  ledgerSize: runLedgerSize,
};
