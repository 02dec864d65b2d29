// The goals that the numbers are compared with, as data.
import { promotedBetween } from './promoted.mjs';

/**
 * @param {any} results by scenario id
 * @param {string} scenario
 * @param {string} above
 * @param {string} below
 */
function ratio(results, scenario, above, below) {
  const summaries = results[scenario]?.summaries;
  const value = summaries?.[above]?.requestsPerSecond / summaries?.[below]?.requestsPerSecond;
  return Number.isFinite(value) ? value : null;
}

/**
 * @typedef {object} Goal
 * @property {string} title
 * @property {'at least' | 'at most' | 'for information'} direction
 * @property {number | null} limit
 * @property {string} unit
 * @property {boolean} [longRunOnly] a quick run is too short to judge it
 * @property {(results: any) => number | null} read
 */

/**
 * @param {any} results by scenario id
 * @param {string} scenario
 * @param {string} target
 * @returns {number | null} CPU time of the target's own process for one call, in microseconds
 */
const ownCpu = (results, scenario, target) => results[scenario]?.summaries?.[target]?.cpuMicrosPerRequest ?? null;

/**
 * @param {any} results by scenario id
 * @param {string} scenario
 * @param {string} above
 * @param {string} below
 * @returns {number | null} of the service's CPU time for a call
 */
function cpuRatio(results, scenario, above, below) {
  const [one, other] = [ownCpu(results, scenario, above), ownCpu(results, scenario, below)];
  return one === null || other === null ? null : one / other;
}

/**
 * @param {any} memory the memory scenario's result
 * @param {number} requests
 * @returns {number | null} null: not read after this number of requests
 */
function residentMegabytes(memory, requests) {
  const bytes = memory?.readings.find((/** @type {any} */ reading) => reading.requests === requests)?.rssBytes ?? null;
  return bytes === null ? null : bytes / 1e6;
}

/**
 * @param {any} memory the memory scenario's result
 * @returns {number | null} KB that a call leaves in the old space, once the code is warm
 */
function promotedKilobytes(memory) {
  const [, first, ...later] = memory?.readings ?? [];
  return promotedBetween(first, later.at(-1));
}

/** @type {Goal[]} */
export const GOALS = [
  {
    title: "JSON at 128: Gatehouse's own CPU for a call",
    direction: 'at most',
    limit: 115,
    unit: ' µs',
    read: (results) => ownCpu(results, 'json128', 'service'),
  },
  {
    title: "JSON at 128: own CPU for a call, Gatehouse's ÷ Portkey's",
    direction: 'at most',
    limit: 0.18,
    unit: '',
    read: (results) => {
      const [ours, theirs] = [ownCpu(results, 'json128', 'service'), ownCpu(results, 'json128', 'portkey')];
      return ours === null || theirs === null ? null : ours / theirs;
    },
  },
  {
    title: 'JSON at 10 connections: Gatehouse, requests/s',
    direction: 'for information',
    limit: null,
    unit: '',
    read: ({ json10 }) => json10?.summaries.service?.requestsPerSecond ?? null,
  },
  {
    title: 'JSON at 128: Gatehouse ÷ bare proxy',
    direction: 'at least',
    limit: 0.5,
    unit: '',
    read: (results) => ratio(results, 'json128', 'service', 'bare'),
  },
  {
    title: 'JSON at 128: Gatehouse ÷ Portkey',
    direction: 'at least',
    limit: 8,
    unit: '',
    read: (results) => ratio(results, 'json128', 'service', 'portkey'),
  },
  {
    title: 'JSON at 32: Gatehouse ÷ bare proxy',
    direction: 'for information',
    limit: null,
    unit: '',
    read: (results) => ratio(results, 'json32', 'service', 'bare'),
  },
  {
    title: 'JSON at 32: Gatehouse ÷ Portkey',
    direction: 'for information',
    limit: null,
    unit: '',
    read: (results) => ratio(results, 'json32', 'service', 'portkey'),
  },
  {
    title: 'Streams at 128: Gatehouse ÷ bare proxy',
    direction: 'at least',
    limit: 0.75,
    unit: '',
    read: (results) => ratio(results, 'stream128', 'service', 'bare'),
  },
  {
    title: 'Streams at 32: Gatehouse ÷ bare proxy',
    direction: 'at least',
    limit: 0.5,
    unit: '',
    read: (results) => ratio(results, 'stream32', 'service', 'bare'),
  },
  {
    title: 'Streams at 128: Gatehouse ÷ Portkey',
    direction: 'for information',
    limit: null,
    unit: '',
    read: (results) => ratio(results, 'stream128', 'service', 'portkey'),
  },
  {
    title: 'One call at a time: added to the direct call, p50',
    direction: 'at most',
    limit: 1.5,
    unit: ' ms',
    read: ({ latency }) =>
      latency?.byTarget.service && latency.byTarget.direct
        ? latency.byTarget.service.p50Ms - latency.byTarget.direct.p50Ms
        : null,
  },
  {
    title: 'Time to the first token of a stream: added to the direct stream, p50',
    direction: 'at most',
    limit: 2,
    unit: ' ms',
    read: ({ firstToken }) =>
      firstToken?.byTarget.service && firstToken.byTarget.direct
        ? firstToken.byTarget.service.p50Ms - firstToken.byTarget.direct.p50Ms
        : null,
  },
  {
    title: 'Resident memory after 100,000 requests',
    direction: 'at most',
    limit: 450,
    unit: ' MB',
    longRunOnly: true,
    read: ({ memory }) => residentMegabytes(memory, 100_000),
  },
  {
    title: 'Memory: after 500,000 requests ÷ after 100,000',
    direction: 'at most',
    limit: 1.05,
    unit: '',
    longRunOnly: true,
    read: ({ memory }) => {
      const [first, last] = [residentMegabytes(memory, 100_000), residentMegabytes(memory, 500_000)];
      return first === null || last === null ? null : last / first;
    },
  },
  {
    title: 'Memory: what a call leaves in the old space',
    direction: 'at most',
    limit: 1,
    unit: ' KB',
    longRunOnly: true,
    read: ({ memory }) => promotedKilobytes(memory),
  },
  {
    title: 'Limits on ÷ off, 1,000 humans at 128',
    direction: 'at least',
    limit: 0.8,
    unit: '',
    read: (results) => ratio(results, 'limits', 'limited128', 'free128'),
  },
  {
    title: 'Limits on ÷ off, 1,000 humans at 32',
    direction: 'at least',
    limit: 0.8,
    unit: '',
    read: (results) => ratio(results, 'limits', 'limited32', 'free32'),
  },
  {
    title: 'Limits on, one human ÷ 1,000 humans, at 32',
    direction: 'at least',
    limit: 0.4,
    unit: '',
    read: (results) => ratio(results, 'limits', 'one32', 'limited32'),
  },
  {
    title: 'Six budgets for each call ÷ none, at 128',
    direction: 'at least',
    limit: 0.75,
    unit: '',
    read: (results) => ratio(results, 'budgets', 'with', 'without'),
  },
  {
    title: 'A call by a sealed token ÷ by a secret key, CPU of the service, at 32',
    direction: 'at most',
    limit: 1.1,
    unit: '',
    read: (results) => cpuRatio(results, 'sealed', 'token', 'key'),
  },
  {
    title: "A call by a gateway's token ÷ by a secret key, CPU of the service, at 32",
    direction: 'at most',
    limit: 1.1,
    unit: '',
    read: (results) => cpuRatio(results, 'gateways', 'token', 'key'),
  },
  {
    title: "A hit of a gateway's cache ÷ a call that is kept nowhere, CPU of the service, at 32",
    direction: 'at most',
    limit: 0.5,
    unit: '',
    read: (results) => cpuRatio(results, 'gateways', 'hit', 'token'),
  },
  {
    title: 'One call, long ledger ÷ short, p50',
    direction: 'at most',
    limit: 1.1,
    unit: '',
    longRunOnly: true,
    read: ({ ledger }) => (ledger ? ledger.byTarget.long.p50Ms / ledger.byTarget.short.p50Ms : null),
  },
  {
    title: "Postgres' CPU time for a call at 32, long ledger ÷ short",
    direction: 'at most',
    limit: 1.1,
    unit: '',
    longRunOnly: true,
    read: ({ ledger }) => {
      const perCall = (/** @type {string} */ id) =>
        ledger?.summaries[id]?.cpuSeconds[`postgres ${id}`] / ledger?.summaries[id]?.requests;
      const value = perCall('long') / perCall('short');
      return Number.isFinite(value) ? value : null;
    },
  },
  {
    title: 'Time of a call at 32, long ledger ÷ short',
    direction: 'at most',
    limit: 1.1,
    unit: '',
    longRunOnly: true,
    read: (results) => ratio(results, 'ledger', 'short', 'long'),
  },
  {
    title: 'JSON at 128, synchronous_commit off ÷ on (each as a share of the bare proxy)',
    direction: 'for information',
    limit: null,
    unit: '',
    read: (results) => {
      const off = ratio(results, 'durability', 'service', 'bare');
      const on = ratio(results, 'json128', 'service', 'bare');
      return off === null || on === null ? null : off / on;
    },
  },
];
