// The command line of the bench.
import { parseArgs } from 'node:util';

const TARGET_IDS = ['direct', 'bare', 'service', 'portkey'];

export const HELP = `npm run bench -- [options]

  --quick              about a minute: shorter turns, one round, fewer requests in the memory scenario
  --seconds <n>        length of one measured turn (5; quick 1); wrk counts in whole seconds
  --rounds <n>         turns for each target, the targets taking turns (3; quick 1)
  --only <ids>         scenarios, comma-separated: json128 json32 json10 stream128 stream32 latency firstToken
                       memory durability limits budgets sealed gateways ledger
  --targets <ids>      targets, comma-separated: ${TARGET_IDS.join(' ')}
  --tool <name>        wrk or autocannon (wrk where it is on PATH)
  --ledger-rows <n>    length of the long ledger (10000000; quick 100000)
  --memory-at <ns>     requests after which the memory scenario reads the service's memory (10000,20000,…,100000);
                       the goals are read from 100000,500000
  --redis              start a redis-server and count request windows in it (needs redis-server on PATH)
  --upstream-delay-ms  pause of the upstream between two chunks of a stream (0)
  --profile            one turn under V8's CPU profiler, then where the service's time went; measures nothing else.
                       With --only stream128 that scenario's load, else json128's
  --max-minutes <n>    give up after this long (20)
  --help
`;

/**
 * @typedef {object} BenchOptions
 * @property {boolean} quick
 * @property {number} seconds length of one measured turn
 * @property {number} warmupSeconds before each measured turn
 * @property {number} rounds
 * @property {string[] | null} only ids of the scenarios that run, null for all
 * @property {string[]} targets
 * @property {'wrk' | 'autocannon' | null} tool null: wrk where it is on PATH
 * @property {boolean} redis
 * @property {number | null} ledgerRows null: the scenario's own
 * @property {number} upstreamDelayMs
 * @property {boolean} profile
 * @property {number} maxMinutes
 * @property {number} restMs before the service's memory is read for the first and for the last time
 * @property {number[]} memoryCheckpoints requests served when the resident set is read, ascending
 */

/**
 * @param {string | undefined} text
 * @param {string} name
 * @param {number} fallback
 */
function readNumber(text, name, fallback) {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} wants a number, not "${text}"`);
  return value;
}

/** @param {string | undefined} text */
const readList = (text) => text?.split(',').filter((part) => part !== '') ?? null;

/**
 * @param {string[]} argv
 * @param {string[]} scenarioIds
 * @returns {BenchOptions | 'help'}
 * @throws {Error} with one sentence, when an option is unknown or malformed
 */
export function readOptions(argv, scenarioIds) {
  const { values } = parseArgs({
    args: argv,
    options: {
      quick: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      targets: { type: 'string' },
      tool: { type: 'string' },
      'memory-at': { type: 'string' },
      redis: { type: 'boolean', default: false },
      'ledger-rows': { type: 'string' },
      'upstream-delay-ms': { type: 'string' },
      profile: { type: 'boolean', default: false },
      'max-minutes': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const only = readList(values.only);
  const unknownScenario = only?.find((id) => !scenarioIds.includes(id));
  if (unknownScenario !== undefined) {
    throw new Error(`--only knows ${scenarioIds.join(', ')}; not "${unknownScenario}"`);
  }
  const targets = readList(values.targets) ?? TARGET_IDS;
  const unknownTarget = targets.find((id) => !TARGET_IDS.includes(id));
  if (unknownTarget !== undefined) throw new Error(`--targets knows ${TARGET_IDS.join(', ')}; not "${unknownTarget}"`);
  const tool = values.tool ?? null;
  if (tool !== null && tool !== 'wrk' && tool !== 'autocannon') throw new Error('--tool is wrk or autocannon');
  const quick = values.quick;
  return {
    quick,
    seconds: readNumber(values.seconds, 'seconds', quick ? 1 : 5),
    warmupSeconds: 1,
    rounds: readNumber(values.rounds, 'rounds', quick ? 1 : 3),
    only,
    targets,
    tool,
    redis: values.redis,
    ledgerRows: values['ledger-rows'] === undefined ? null : readNumber(values['ledger-rows'], 'ledger-rows', 0),
    upstreamDelayMs: readNumber(values['upstream-delay-ms'], 'upstream-delay-ms', 0),
    profile: values.profile,
    maxMinutes: readNumber(values['max-minutes'], 'max-minutes', 20),
    restMs: quick ? 1_000 : 4_000,
    memoryCheckpoints:
      readList(values['memory-at'])?.map((part) => readNumber(part, 'memory-at', 0)) ??
      Array.from({ length: quick ? 5 : 10 }, (_, index) => (index + 1) * (quick ? 1_000 : 10_000)),
  };
}
