// The bench: starts everything, loads each target in turn, checks that nothing went missing, prints and keeps the
// numbers, and ends what it started. docs/guides/benchmark.md says how to read them.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { hasWrk, runLoad } from './load-tool.mjs';
import { HELP, readOptions } from './options.mjs';
import { PORTKEY_VERSION, startPortkey } from './portkey.mjs';
import {
  ProcessGroup,
  findFreePort,
  hasProc,
  readCpuSeconds,
  readMachineCpuSeconds,
  readRssBytes,
  readTreeCpuSeconds,
} from './processes.mjs';
import { renderProfile, summarizeProfile } from './profile.mjs';
import { judge, renderScenario, renderVerdicts } from './report.mjs';
import { BODIES, RUNNERS, SCENARIOS } from './scenarios.mjs';
import * as serviceSide from './service.mjs';

const MODEL = 'gpt-4o-mini';
const TOKENS = { input: 63, output: 48 };
const STREAM_CHUNKS = 50;
const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
const cacheDirectory = here('.cache');
const resultsDirectory = here('results');

/**
 * Something that answers POST /v1/chat/completions.
 * @typedef {object} Target
 * @property {string} id
 * @property {string} title
 * @property {string} process whose CPU time is the target's own
 * @property {string} url
 * @property {Record<string, string>} headers
 * @property {string} upstreamKey the Authorization header that its calls bear at the upstream
 */

/**
 * @typedef {object} Integrity
 * @property {string} title
 * @property {boolean} ok
 * @property {string} detail
 */

/** @typedef {{ byKey: Record<string, number>, inFlight: number, aborted: number }} UpstreamCount */

const group = new ProcessGroup();
/** @type {(() => Promise<unknown>)[]} ends what was started, last first */
const endings = [];
let closing = false;

const say = (/** @type {string} */ text) => {
  if (!closing) process.stderr.write(`  ${text}\n`);
};
const messageOf = (/** @type {unknown} */ error) => (error instanceof Error ? error.message : String(error));

async function closeAll() {
  closing = true;
  for (const end of endings.splice(0).reverse()) {
    await end().catch((error) => process.stderr.write(`while stopping: ${messageOf(error)}\n`));
  }
  group.killAll();
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    if (closing) return;
    process.stderr.write(`\n${signal}: stopping\n`);
    void closeAll().then(() => process.exit(130));
  });
}

/**
 * @param {string} base
 * @returns {Promise<UpstreamCount>}
 */
async function readCount(base) {
  const answer = await fetch(`${base}/__count`);
  return /** @type {Promise<UpstreamCount>} */ (answer.json());
}

/**
 * One answer of each kind, looked at in full: a target that is fast because it answers something else is no target.
 * @param {Target} target
 */
async function tryOut(target) {
  const ask = (/** @type {string} */ body) =>
    fetch(target.url, { method: 'POST', headers: target.headers, body, signal: AbortSignal.timeout(15_000) });
  const answer = await ask(BODIES.json(MODEL));
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`it answered ${answer.status}: ${text.slice(0, 300)}`);
  const completion = JSON.parse(text);
  if (
    typeof completion.choices?.[0]?.message?.content !== 'string' ||
    completion.usage?.total_tokens !== TOKENS.input + TOKENS.output
  ) {
    throw new Error(`its answer is not the upstream's: ${text.slice(0, 300)}`);
  }
  const events = (await (await ask(BODIES.stream(MODEL))).text())
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trim());
  const chunks = events.slice(0, -1).filter((event) => JSON.parse(event).choices?.length === 1);
  if (chunks.length !== STREAM_CHUNKS || events.at(-1) !== '[DONE]') {
    throw new Error(`its stream had ${chunks.length} chunks of ${STREAM_CHUNKS} and ended with ${events.at(-1)}`);
  }
}

function describeMachine() {
  const cpus = os.cpus();
  return {
    date: new Date().toISOString(),
    cores: cpus.length,
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
  };
}

/** @param {import('./options.mjs').BenchOptions} options */
async function main(options) {
  const startedAt = performance.now();
  const machine = describeMachine();
  const tool = options.tool ?? (hasWrk() ? 'wrk' : 'autocannon');
  const logs = join(cacheDirectory, 'logs');
  const logOf = (/** @type {string} */ name) => join(logs, `${name}.log`);
  /** @type {Record<string, string>} what could not be measured, and why */
  const absent = {};
  /** @type {Map<string, Target>} */
  const targets = new Map();
  /** @type {Map<string, () => number | null>} CPU seconds so far, by process */
  const monitors = new Map();
  const jsonType = { 'content-type': 'application/json' };

  const upstreamArguments = [here('upstream.mjs'), '--delay-ms', String(options.upstreamDelayMs)];
  const upstream = await group.startListener('upstream', upstreamArguments);
  endings.push(() => upstream.child.stop());
  monitors.set('upstream', () => readCpuSeconds(upstream.child.pid));
  const upstreamUrl = `http://127.0.0.1:${upstream.port}`;

  const addTarget = async (/** @type {Target} */ target) => {
    await tryOut(target);
    targets.set(target.id, target);
  };
  const wanted = (/** @type {string} */ id) => options.targets.includes(id);

  if (wanted('direct')) {
    await addTarget({
      id: 'direct',
      title: 'upstream itself',
      process: 'upstream',
      url: `${upstreamUrl}/v1/chat/completions`,
      headers: { ...jsonType, authorization: 'Bearer sk-direct' },
      upstreamKey: 'Bearer sk-direct',
    });
  }
  if (wanted('bare')) {
    const bare = await group.startListener('bare proxy', [here('bare-proxy.mjs'), '--upstream', upstreamUrl]);
    endings.push(() => bare.child.stop());
    monitors.set('bare', () => readCpuSeconds(bare.child.pid));
    await addTarget({
      id: 'bare',
      title: 'bare proxy',
      process: 'bare',
      url: `http://127.0.0.1:${bare.port}/v1/chat/completions`,
      headers: { ...jsonType, authorization: 'Bearer sk-bare' },
      upstreamKey: 'Bearer sk-bare',
    });
  }

  /** @type {{ setup: import('./service.mjs').ServiceSetup, running: import('./service.mjs').RunningService } | null} */
  let service = null;
  if (wanted('service')) {
    try {
      say('starting Postgres and the service');
      const cluster = await serviceSide.startCluster(group, cacheDirectory);
      endings.push(() => cluster.stop());
      const { postmasterPid } = cluster;
      monitors.set('postgres', () => (postmasterPid === null ? null : readTreeCpuSeconds(postmasterPid)));
      const tenant = await serviceSide.prepareTenant(cluster);
      const redis = options.redis ? await serviceSide.startRedis(group, logOf('redis')) : null;
      if (redis !== null) {
        endings.push(() => redis.child.stop());
        monitors.set('redis', () => readCpuSeconds(redis.child.pid));
      }
      const setup = {
        cluster,
        tenant,
        upstreamUrl,
        model: MODEL,
        redisUrl: redis?.url ?? null,
        port: await findFreePort(),
        workDirectory: join(cacheDirectory, 'work'),
        logFile: logOf('service'),
      };
      service = { setup, running: await serviceSide.startService(group, setup) };
      endings.push(async () => service?.running.child.stop(10_000));
      monitors.set('service', () => (service === null ? null : readCpuSeconds(service.running.pid)));
      await addTarget({
        id: 'service',
        title: 'Gatehouse',
        process: 'service',
        url: `http://127.0.0.1:${setup.port}/v1/chat/completions`,
        headers: { ...jsonType, authorization: `Bearer ${tenant.secretKey}` },
        upstreamKey: `Bearer ${serviceSide.UPSTREAM_KEY}`,
      });
    } catch (error) {
      absent['service'] = messageOf(error);
      process.stderr.write(`Gatehouse is not measured: ${absent['service']}\n`);
    }
  }
  if (wanted('portkey') && !options.profile) {
    try {
      say(`fetching and starting Portkey ${PORTKEY_VERSION}`);
      const portkey = await startPortkey(group, { cacheDirectory, logFile: logOf('portkey') });
      endings.push(() => portkey.child.stop());
      monitors.set('portkey', () => readCpuSeconds(portkey.child.pid));
      /** @type {Target} */
      const target = {
        id: 'portkey',
        title: `Portkey ${PORTKEY_VERSION}`,
        process: 'portkey',
        url: `http://127.0.0.1:${portkey.port}/v1/chat/completions`,
        headers: {
          ...jsonType,
          authorization: 'Bearer sk-portkey',
          'x-portkey-provider': 'openai',
          'x-portkey-custom-host': `${upstreamUrl}/v1`,
        },
        upstreamKey: 'Bearer sk-portkey',
      };
      for (let attempt = 1; ; attempt += 1) {
        try {
          await addTarget(target);
          break;
        } catch (error) {
          if (attempt === 20 || portkey.child.hasEnded()) throw error;
          await sleep(500);
        }
      }
    } catch (error) {
      absent['portkey'] = messageOf(error);
      process.stderr.write(`Portkey is not measured: ${absent['portkey']}\n`);
    }
  }

  const totals = { answered: 0, leftOpen: 0, non2xx: 0, errors: 0, loadSeconds: 0, elsewhereSeconds: 0 };
  /** @type {string[]} */
  const losses = [];

  /**
   * @param {Target} target
   * @param {Pick<import('./load-tool.mjs').LoadOrder, 'body' | 'connections' | 'seconds' | 'amount' | 'rotate'>} order
   * @returns {Promise<import('./scenarios.mjs').Turn>}
   */
  const measure = async (target, order) => {
    const countBefore = await readCount(upstreamUrl);
    const readAll = () => new Map([...monitors].map(([name, read]) => [name, read()]));
    const machineBefore = readMachineCpuSeconds();
    const cpuBefore = readAll();
    const load = await runLoad(group, tool, cacheDirectory, { ...order, url: target.url, headers: target.headers });
    const cpuAfter = readAll();
    const machineAfter = readMachineCpuSeconds();
    // What the load tool left behind must not weigh on the next turn, nor be missed in the count.
    let count = await readCount(upstreamUrl);
    for (let wait = 0; wait < 100 && count.inFlight > 0; wait += 1) {
      await sleep(50);
      count = await readCount(upstreamUrl);
    }
    await sleep(250);
    const servedByUpstream = (count.byKey[target.upstreamKey] ?? 0) - (countBefore.byKey[target.upstreamKey] ?? 0);
    totals.non2xx += load.non2xx;
    totals.errors += load.errors + load.timeouts;
    if (target.id === 'service') {
      totals.answered += load.requests;
      if (order.amount === undefined) totals.leftOpen += order.connections;
    }
    if (load.requests - load.non2xx > servedByUpstream) {
      losses.push(`${target.title}: ${load.requests} answered, ${servedByUpstream} seen by the upstream`);
    }
    /** @type {Record<string, number | null>} */
    const cpuSeconds = { load: load.cpuSeconds };
    for (const [name, after] of cpuAfter) {
      const before = cpuBefore.get(name) ?? null;
      cpuSeconds[name] = before === null || after === null ? null : after - before;
    }
    // What none of these processes used: other people's work on the machine, the kernel's, and the host's share.
    const known = Object.values(cpuSeconds).reduce((/** @type {number} */ all, value) => all + (value ?? 0), 0);
    cpuSeconds['elsewhere'] =
      machineBefore === null || machineAfter === null ? null : Math.max(0, machineAfter - machineBefore - known);
    totals.loadSeconds += load.seconds;
    totals.elsewhereSeconds += cpuSeconds['elsewhere'] ?? 0;
    return { load, cpuSeconds, servedByUpstream };
  };

  /** @param {Parameters<typeof serviceSide.startService>[2]} [variation] */
  const restartService = async (variation) => {
    if (service === null) throw new Error('there is no service to start again');
    const code = await service.running.stop();
    if (code !== 0) losses.push(`the service ended with ${code ?? 'a signal'} after SIGTERM`);
    service.running = await serviceSide.startService(group, service.setup, variation);
  };

  if (options.profile) {
    const scenario = SCENARIOS.find(({ id }) => id === (options.only?.[0] ?? 'json128'));
    const target = targets.get('service');
    if (service === null || target === undefined || scenario === undefined) return 1;
    mkdirSync(resultsDirectory, { recursive: true });
    const name = `service-${scenario.id}-${machine.date.replaceAll(/[:.]/g, '-')}.cpuprofile`;
    await restartService({
      nodeArguments: [
        '--cpu-prof',
        `--cpu-prof-dir=${resultsDirectory}`,
        `--cpu-prof-name=${name}`,
        '--cpu-prof-interval=500',
      ],
    });
    const order = { body: BODIES[scenario.body](MODEL), connections: scenario.connections };
    await measure(target, { ...order, seconds: 3 });
    const fromMicros = Number(process.hrtime.bigint() / 1000n);
    const turn = await measure(target, { ...order, seconds: Math.max(5, options.seconds) });
    const toMicros = Number(process.hrtime.bigint() / 1000n);
    await service.running.stop();
    const file = join(resultsDirectory, name);
    const profile = JSON.parse(readFileSync(file, 'utf8'));
    // Both clocks count from the system's start on Linux; where they do not, the profile is read as a whole.
    const comparable = profile.startTime < fromMicros && toMicros < profile.endTime + 1e6;
    const window = comparable
      ? { fromMs: (fromMicros - profile.startTime) / 1000, toMs: (toMicros - profile.startTime) / 1000 }
      : {};
    process.stdout.write(
      `${scenario.title}, under the profiler: ${turn.load.requestsPerSecond.toFixed(0)} requests/s\n` +
        `${renderProfile(summarizeProfile(profile, window), 25)}\n\nThe whole profile: ${file}\n`,
    );
    return 0;
  }

  /** @type {import('./scenarios.mjs').BenchContext} */
  const context = {
    options,
    targets,
    model: MODEL,
    measure,
    measureLatency: async (order) => {
      const out = await group.run(process.execPath, [here('latency.mjs')], {
        timeoutMs: 300_000,
        input: `${JSON.stringify(order)}\n`,
      });
      /** @type {import('./latency.mjs').LatencyResult} */
      const result = JSON.parse(out);
      for (const { non2xx } of Object.values(result)) totals.non2xx += non2xx;
      totals.answered += result['service']?.calls ?? 0;
      return result;
    },
    restartService: async (variation) => restartService(variation),
    setSynchronousCommit: async (value) => {
      if (service !== null) await serviceSide.setSynchronousCommit(service.setup.cluster, value);
    },
    readServiceMemory: async () => ({
      rssBytes: service === null ? null : readRssBytes(service.running.pid),
      heapBytes: service === null ? null : await serviceSide.readHeapBytes(service.running),
    }),
    say,
  };

  /** @type {Record<string, any>} */
  const results = {};
  for (const scenario of SCENARIOS) {
    if (options.only !== null && !options.only.includes(scenario.id)) continue;
    results[scenario.id] = await RUNNERS[scenario.kind](scenario, context);
  }

  /** @type {Integrity[]} */
  const integrity = [];
  if (service !== null && targets.has('service')) {
    integrity.push(...(await checkLedger(service.setup.cluster, context, upstreamUrl, totals)));
  }
  integrity.push(
    {
      title: 'answers that were not 2xx; connections refused, cut or timed out',
      ok: totals.non2xx === 0 && totals.errors === 0,
      detail: `${totals.non2xx}; ${totals.errors}`,
    },
    {
      title: 'nothing answered that the upstream did not serve, nobody ended badly',
      ok: losses.length === 0,
      detail: losses.join('; '),
    },
  );

  const rateStore = service === null ? null : options.redis ? 'Redis' : 'what the service uses without REDIS_URL';
  const verdicts = judge(results, options.quick);
  const titles = new Map([...targets.values()].map(({ id, title, process: name }) => [id, { title, process: name }]));
  const columns = ['postgres', 'redis', 'upstream', 'load', 'elsewhere'].filter(
    (name) => name === 'load' || name === 'elsewhere' || monitors.has(name),
  );
  const postgres =
    service === null ? null : { settings: service.setup.cluster.settings, disk: service.setup.cluster.disk };
  const lines = [
    `${machine.cores} cores (${machine.cpu}), ${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB, ${machine.system}`,
    `Node ${machine.node}, load by ${tool}, ${options.rounds} round(s) of ${options.seconds} s, ${machine.date}`,
  ];
  const elsewhereShare = totals.elsewhereSeconds / (totals.loadSeconds * machine.cores);
  if (elsewhereShare > 0.05) {
    lines.push(
      `NOT ALONE: other work took ${(elsewhereShare * 100).toFixed(0)} % of the machine while it was measured. Rates and ` +
        'ratios suffer from that unevenly; repeat this on a quiet machine.',
    );
  }
  if (!hasProc) lines.push('This system has no /proc: CPU seconds by process are not known.');
  if (postgres !== null) {
    lines.push(
      `Postgres ${postgres.settings['server_version']}: fsync ${postgres.settings['fsync']}, synchronous_commit ` +
        `${postgres.settings['synchronous_commit']}, on ${postgres.disk.fileSystem}, where 8 KiB written and synced take ` +
        `${postgres.disk.syncMs.toFixed(2)} ms. Request windows: ${rateStore}.`,
    );
    if (postgres.disk.fileSystem === 'tmpfs') lines.push('That is memory, not a disk: syncing costs nothing there.');
  }
  for (const [id, reason] of Object.entries(absent)) lines.push(`Not measured, ${id}: ${reason}`);
  for (const scenario of SCENARIOS) {
    if (scenario.id in results) lines.push('', renderScenario(scenario, results[scenario.id], titles, columns));
  }
  lines.push('', renderVerdicts(verdicts), '', 'Checks');
  for (const { title, ok, detail } of integrity) lines.push(`${ok ? 'ok   ' : 'FAILED'} ${title}: ${detail || 'none'}`);

  const logBytes = service === null ? null : statSync(service.setup.logFile).size;
  mkdirSync(resultsDirectory, { recursive: true });
  const file = join(resultsDirectory, `bench-${machine.date.replaceAll(/[:.]/g, '-')}.json`);
  const seconds = (performance.now() - startedAt) / 1000;
  const record = {
    machine,
    tool,
    options,
    rateStore,
    postgres,
    absent,
    elsewhereShare,
    seconds,
    logBytes,
    verdicts,
    integrity,
    results,
  };
  writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
  lines.push('', `Took ${seconds.toFixed(0)} s. Everything measured: ${file}`);
  process.stdout.write(`\n${lines.join('\n')}\n`);
  return integrity.every(({ ok }) => ok) && absent['service'] === undefined ? 0 : 1;
}

/**
 * Two proofs. An exact one: so many calls, each awaited to its end, make as many rows, with the tokens that the upstream
 * stated. And one over everything that was sent: the load tool leaves calls open when its time is up, and such a call
 * may have its row and never reach the upstream, so the count lies between two bounds.
 * @param {import('./service.mjs').Cluster} cluster
 * @param {import('./scenarios.mjs').BenchContext} context
 * @param {string} upstreamUrl
 * @param {{ answered: number, leftOpen: number }} totals
 * @returns {Promise<Integrity[]>}
 */
async function checkLedger(cluster, context, upstreamUrl, totals) {
  const target = context.targets.get('service');
  if (target === undefined) return [];
  const settled = async () => {
    let count = await serviceSide.countLedger(cluster);
    for (let wait = 0; wait < 60 && count.open > 0; wait += 1) {
      await sleep(250);
      count = await serviceSide.countLedger(cluster);
    }
    return count;
  };
  const before = await settled();
  const json = { body: BODIES.json(MODEL), connections: 50, amount: 2_000 };
  const stream = { body: BODIES.stream(MODEL), connections: 50, amount: 500 };
  const sent = json.amount + stream.amount;
  const served =
    (await context.measure(target, json)).servedByUpstream + (await context.measure(target, stream)).servedByUpstream;
  const after = await settled();
  const rows = after.rows - before.rows;
  const input = after.inputTokens - before.inputTokens;
  const output = after.outputTokens - before.outputTokens;
  const upstreamTotal = (await readCount(upstreamUrl)).byKey[target.upstreamKey] ?? 0;
  return [
    {
      title: 'ledger rows = requests sent, each awaited',
      ok: rows === sent && served === sent,
      detail: `${sent} sent, ${served} at the upstream, ${rows} rows`,
    },
    {
      title: "ledger tokens = the upstream's",
      ok: input === sent * TOKENS.input && output === sent * TOKENS.output,
      detail: `${input} in of ${sent * TOKENS.input}, ${output} out of ${sent * TOKENS.output}`,
    },
    {
      title: 'ledger rows over the whole bench: at least what the upstream served, at most the calls cut off more',
      ok: after.rows >= upstreamTotal && after.rows >= totals.answered && after.rows - upstreamTotal <= totals.leftOpen,
      detail: `${after.rows} rows, ${upstreamTotal} at the upstream, ${totals.answered} answered, up to ${totals.leftOpen} cut off`,
    },
    {
      title: 'every row settled by the process that served it',
      ok: after.open === 0 && after.swept === 0 && after.corrections === 0,
      detail: `${after.open} open, ${after.swept} swept, ${after.corrections} corrected; ${JSON.stringify(after.outcomes)}`,
    },
  ];
}

/** @type {ReturnType<typeof readOptions>} */
let options;
try {
  options = readOptions(
    process.argv.slice(2),
    SCENARIOS.map(({ id }) => id),
  );
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(2);
}
if (options === 'help') {
  process.stdout.write(HELP);
  process.exit(0);
}
rmSync(join(cacheDirectory, 'logs'), { recursive: true, force: true });
setTimeout(() => {
  process.stderr.write('The bench took too long (--max-minutes); it stops.\n');
  void closeAll().then(() => process.exit(1));
}, options.maxMinutes * 60_000).unref();

let code = 1;
try {
  code = await main(options);
} catch (error) {
  if (!closing) process.stderr.write(`The bench failed: ${error instanceof Error ? error.stack : String(error)}\n`);
}
if (!closing) {
  await closeAll();
  process.exit(code);
}
