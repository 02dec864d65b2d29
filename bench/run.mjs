// The bench: starts everything, loads each target in turn, checks that nothing went missing, prints and keeps the
// numbers, and ends what it started. docs/guides/benchmark.md says how to read them.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { checkLedger } from './checks.mjs';
import { setSynchronousCommit } from './ledger.mjs';
import { checkCounters, prepareHumans, putBudgets } from './limits.mjs';
import { hasWrk } from './load-tool.mjs';
import { Meter } from './meter.mjs';
import { HELP, readOptions } from './options.mjs';
import { readRssBytes } from './processes.mjs';
import { renderProfile, summarizeProfile } from './profile.mjs';
import { readPromotedBytes } from './promoted.mjs';
import { CROWDED, judge, renderReport } from './report.mjs';
import { openRing, openSide } from './ring.mjs';
import { BODIES, RUNNERS, SCENARIOS } from './scenarios.mjs';
import { buildStamp, readHeapBytes, startService } from './service.mjs';
import { Session, messageOf } from './session.mjs';
import { MODEL } from './wire.mjs';

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

/**
 * Ends the service as SIGTERM does, and starts it anew on the same port and database.
 * @param {Session} session
 * @param {import('./ring.mjs').Ring} ring
 * @param {Meter} meter
 * @param {Parameters<typeof startService>[2]} [variation]
 */
async function restartService(session, ring, meter, variation) {
  if (ring.service === null) throw new Error('there is no service to start again');
  const code = await ring.service.running.stop();
  if (code !== 0) meter.losses.push(`the service ended with ${code ?? 'a signal'} after SIGTERM`);
  ring.service.running = await startService(session.group, ring.service.setup, variation);
}

/**
 * @param {Session} session
 * @param {import('./ring.mjs').Ring} ring
 * @param {Meter} meter
 * @param {import('./options.mjs').BenchOptions} options
 * @param {string} stamp for the file's name
 */
async function profileService(session, ring, meter, options, stamp) {
  const scenario = SCENARIOS.find(({ id }) => id === (options.only?.[0] ?? 'json128'));
  const target = ring.targets.get('service');
  if (ring.service === null || target === undefined || scenario === undefined) return 1;
  const { resultsDirectory } = session;
  mkdirSync(resultsDirectory, { recursive: true });
  const name = `service-${scenario.id}-${stamp}.cpuprofile`;
  const nodeArguments = ['--cpu-prof', `--cpu-prof-dir=${resultsDirectory}`, `--cpu-prof-name=${name}`];
  await restartService(session, ring, meter, { nodeArguments: [...nodeArguments, '--cpu-prof-interval=500'] });
  const order = { body: BODIES[scenario.body](MODEL), connections: scenario.connections };
  await meter.measure(target, { ...order, seconds: 3 });
  const fromMicros = Number(process.hrtime.bigint() / 1000n);
  const turn = await meter.measure(target, { ...order, seconds: Math.max(5, options.seconds) });
  const toMicros = Number(process.hrtime.bigint() / 1000n);
  await ring.service.running.stop();
  const file = join(resultsDirectory, name);
  const profile = JSON.parse(readFileSync(file, 'utf8'));
  // Both clocks count from the system's start on Linux; elsewhere the profile is read as a whole.
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

/**
 * @param {Session} session
 * @param {import('./ring.mjs').Ring} ring
 * @param {Meter} meter
 * @param {import('./options.mjs').BenchOptions} options
 * @returns {Promise<Record<string, any>>} by scenario id
 */
async function runScenarios(session, ring, meter, options) {
  /** @type {import('./scenarios.mjs').BenchContext} */
  const context = {
    options,
    targets: ring.targets,
    model: MODEL,
    measure: (target, order) => meter.measure(target, order),
    measureLatency: (order) => meter.measureLatency(order),
    restartService: (variation) => restartService(session, ring, meter, variation),
    setSynchronousCommit: async (value) => {
      if (ring.service !== null) await setSynchronousCommit(ring.service.setup.cluster, value);
    },
    prepareHumans: async () => {
      if (ring.service !== null) await prepareHumans(ring.service.setup.cluster, ring.service.setup.tenant.tenantId);
    },
    putBudgets: async (on) => {
      if (ring.service !== null) await putBudgets(ring.service.setup.cluster, ring.service.setup.tenant.tenantId, on);
    },
    upstreamUrl: ring.upstreamUrl,
    openSide: (id, title, ledgerRows, environment) => openSide(session, ring, { id, title, ledgerRows, environment }),
    readServiceMemory: async () => ({
      rssBytes: ring.service === null ? null : readRssBytes(ring.service.running.pid),
      heapBytes: ring.service === null ? null : await readHeapBytes(ring.service.running),
      promotedBytes: ring.service === null ? null : await readPromotedBytes(ring.service.setup.logFile),
    }),
    say: (text) => session.say(text),
  };
  /** @type {Record<string, any>} */
  const results = {};
  for (const scenario of SCENARIOS) {
    if (options.only !== null && !options.only.includes(scenario.id)) continue;
    try {
      results[scenario.id] = await RUNNERS[scenario.kind](scenario, context);
    } catch (error) {
      if (session.closing) throw error;
      // The results of earlier scenarios stay, and later scenarios still run.
      ring.absent[scenario.id] = messageOf(error);
      meter.losses.push(`${scenario.id} broke off: ${ring.absent[scenario.id]}`);
      session.say(`${scenario.id} broke off: ${ring.absent[scenario.id]}`);
    }
  }
  return results;
}

/**
 * @param {import('./ring.mjs').Ring} ring
 * @param {Meter} meter
 * @returns {Promise<import('./checks.mjs').Check[]>}
 */
async function runChecks(ring, meter) {
  /** @type {import('./checks.mjs').Check[]} */
  const checks = [];
  const target = ring.targets.get('service');
  if (ring.service !== null && target !== undefined) {
    const { setup, build } = ring.service;
    try {
      checks.push(...(await checkLedger(setup.cluster, target, meter, ring.upstreamUrl)));
      checks.push(await checkCounters(setup.cluster));
    } catch (error) {
      checks.push({ title: 'the ledger could be checked', ok: false, detail: messageOf(error) });
    }
    const title = 'the build stayed the same from the first start to the last';
    checks.push({ title, ok: buildStamp() === build, detail: build });
  }
  const { totals, losses } = meter;
  checks.push(
    {
      title: 'answers that were not 2xx; connections refused, cut or timed out',
      ok: totals.non2xx === 0 && totals.errors === 0,
      detail: `${totals.non2xx}; ${totals.errors}`,
    },
    {
      title: 'nothing answered that the upstream did not serve, nothing broke off, nobody ended badly',
      ok: losses.length === 0,
      detail: losses.join('; '),
    },
  );
  return checks;
}

/**
 * @param {Session} session
 * @param {import('./options.mjs').BenchOptions} options
 * @returns {Promise<number>} the exit code
 */
async function main(session, options) {
  const startedAt = performance.now();
  const machine = describeMachine();
  const stamp = machine.date.replaceAll(/[:.]/g, '-');
  const tool = options.tool ?? (hasWrk() ? 'wrk' : 'autocannon');
  const ring = await openRing(session, options);
  const meter = new Meter(session, ring, tool);
  if (options.profile) return profileService(session, ring, meter, options, stamp);

  const results = await runScenarios(session, ring, meter, options);
  const checks = await runChecks(ring, meter);
  // The run was interrupted: readings since then do not count.
  if (session.closing) return 130;
  const setup = ring.service?.setup ?? null;
  const { loadSeconds, elsewhereSeconds } = meter.totals;
  const elsewhereShare = loadSeconds === 0 ? 0 : elsewhereSeconds / (loadSeconds * machine.cores);
  const record = {
    machine,
    tool,
    options,
    rateStore: setup === null ? null : setup.redisUrl === null ? 'what the service uses without REDIS_URL' : 'Redis',
    postgres: setup === null ? null : { settings: setup.cluster.settings, disk: setup.cluster.disk },
    targets: [...ring.targets.values()].map(({ id, title, process: name }) => ({ id, title, process: name })),
    processes: [...ring.monitors.keys()],
    absent: ring.absent,
    elsewhereShare,
    logBytes: setup === null ? null : statSync(setup.logFile).size,
    seconds: (performance.now() - startedAt) / 1000,
    verdicts: judge(results, options.quick, elsewhereShare > CROWDED),
    checks,
    results,
  };
  mkdirSync(session.resultsDirectory, { recursive: true });
  const file = join(session.resultsDirectory, `bench-${stamp}.json`);
  writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
  process.stdout.write(`\n${renderReport(record)}\n\nEverything measured: ${file}\n`);
  return checks.every(({ ok }) => ok) && ring.absent['service'] === undefined ? 0 : 1;
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

const session = new Session();
session.limit(options.maxMinutes);
let code = 1;
try {
  code = await main(session, options);
} catch (error) {
  if (!session.closing) process.stderr.write(`The bench failed: ${error instanceof Error ? error.stack : error}\n`);
}
if (!session.closing) {
  await session.close(code !== 0);
  if (code !== 0) process.stderr.write(`The logs are in ${session.runDirectory}\n`);
  process.exit(code);
}
