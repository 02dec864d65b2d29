// The bench's findings as text.
import { GOALS } from './goals.mjs';
import { hasProc } from './processes.mjs';
import { promotedBetween } from './promoted.mjs';
import { SCENARIOS } from './scenarios.mjs';

/** Share of the machine's CPU time that other work may take before the numbers are worth little. */
export const CROWDED = 0.05;

/**
 * @param {string[][]} rows the first is the heading; the first column is set left, the others right
 */
function renderTable(rows) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const whole = (/** @type {number} */ value) => value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');
const two = (/** @type {number | null | undefined} */ value) =>
  value === null || value === undefined || !Number.isFinite(value) ? '-' : value.toFixed(2);
const inMegabytes = (/** @type {number | null} */ bytes) => (bytes === null ? '-' : `${(bytes / 1e6).toFixed(1)} MB`);

/** @typedef {Map<string, { title: string, process: string }>} TargetNames */

/**
 * @param {{ summaries: Record<string, import('./scenarios.mjs').TargetSummary>, titles?: Record<string, string>, process?: string }} result
 * @param {TargetNames} targets
 * @param {string[]} processes besides the target's own
 */
function renderThroughput({ summaries, titles = {}, process }, targets, processes) {
  const bare = summaries['bare']?.requestsPerSecond;
  const heading = ['', 'requests/s', 'lowest', 'highest', '÷ bare', 'p50 ms', 'p99 ms', 'CPU µs/request', 'own CPU s'];
  const rows = [[...heading, ...processes.map((name) => `${name} CPU s`)]];
  for (const [id, summary] of Object.entries(summaries)) {
    rows.push([
      titles[id] ?? targets.get(id)?.title ?? id,
      whole(summary.requestsPerSecond),
      whole(summary.lowest),
      whole(summary.highest),
      bare === undefined ? '-' : two(summary.requestsPerSecond / bare),
      summary.p50Ms.toFixed(1),
      summary.p99Ms.toFixed(1),
      summary.cpuMicrosPerRequest === null ? '-' : whole(summary.cpuMicrosPerRequest),
      two(summary.cpuSeconds[process ?? targets.get(id)?.process ?? '']),
      ...processes.map((name) => two(summary.cpuSeconds[name])),
    ]);
  }
  return renderTable(rows);
}

/**
 * @param {{ byTarget: import('./latency.mjs').LatencyResult }} result
 * @param {TargetNames} targets
 */
function renderLatency({ byTarget }, targets) {
  const direct = byTarget['direct'];
  const added = (/** @type {'p50Ms' | 'p99Ms'} */ name, /** @type {number} */ value) =>
    direct === undefined ? '-' : `+${two(value - direct[name])}`;
  const rows = [['', 'p50 ms', 'p90 ms', 'p99 ms', 'mean ms', 'added p50', 'added p99', 'calls']];
  for (const [id, row] of Object.entries(byTarget)) {
    const isDirect = id === 'direct';
    rows.push([
      targets.get(id)?.title ?? id,
      two(row.p50Ms),
      two(row.p90Ms),
      two(row.p99Ms),
      two(row.meanMs),
      isDirect ? '' : added('p50Ms', row.p50Ms),
      isDirect ? '' : added('p99Ms', row.p99Ms),
      whole(row.calls),
    ]);
  }
  return renderTable(rows);
}

/** @param {{ readings: ({ requests: number } & import('./scenarios.mjs').Memory)[], ratio: number | null }} result */
function renderMemory({ readings, ratio }) {
  const rows = [['after requests', 'resident set', 'heap in use', 'promoted, KB a call']];
  for (const [index, reading] of readings.entries()) {
    const { requests, rssBytes, heapBytes } = reading;
    const promoted = promotedBetween(readings[index - 1], reading);
    rows.push([
      whole(requests),
      inMegabytes(rssBytes),
      inMegabytes(heapBytes),
      promoted === null ? '-' : two(promoted),
    ]);
  }
  const [, first] = readings;
  const last = readings.at(-1);
  return `${renderTable(rows)}\nafter ${whole(last?.requests ?? 0)} ÷ after ${whole(first?.requests ?? 0)}: ${two(ratio)}`;
}

/**
 * @param {import('./scenarios.mjs').Scenario} scenario
 * @param {any} result what its runner gave
 * @param {TargetNames} targets
 * @param {string[]} processes whose CPU seconds have a column, besides the target's own
 */
function renderScenario(scenario, result, targets, processes) {
  const title = `${scenario.title}\n${'-'.repeat(scenario.title.length)}`;
  if (result === null || result === undefined) return `${title}\nnot measured: the service is not there`;
  if (result.summaries !== undefined && result.byTarget !== undefined) {
    const named = new Map(
      Object.entries(result.titles).map(([id, name]) => [id, { title: String(name), process: id }]),
    );
    const bySide = Object.keys(result.titles).map((id) => `postgres ${id}`);
    return `${title}\n${renderThroughput(result, named, bySide)}\n${renderLatency(result, named)}`;
  }
  if (result.summaries !== undefined) return `${title}\n${renderThroughput(result, targets, processes)}`;
  if (result.byTarget !== undefined) return `${title}\n${renderLatency(result, targets)}`;
  return `${title}\n${renderMemory(result)}`;
}

/**
 * @param {any} results by scenario id
 * @param {boolean} quick
 * @param {boolean} crowded other work took a share of the machine that spoils the numbers
 * @returns {{ title: string, wanted: string, value: number | null, verdict: string }[]}
 */
export function judge(results, quick, crowded) {
  return GOALS.map(({ title, direction, limit, unit, longRunOnly, read }) => {
    const value = read(results);
    const wanted = limit === null ? '' : `${direction === 'at least' ? '≥' : '≤'} ${limit}${unit}`;
    let verdict = '';
    if (value === null) verdict = 'not measured';
    else if (limit !== null && longRunOnly && quick) verdict = 'quick run: no verdict';
    else if (limit !== null) verdict = (direction === 'at least' ? value >= limit : value <= limit) ? 'met' : 'SHORT';
    if (crowded && limit !== null && value !== null) verdict += ', not alone';
    return { title, wanted, value, verdict };
  });
}

/** @param {ReturnType<typeof judge>} verdicts */
function renderVerdicts(verdicts) {
  const rows = [['Goals', 'wanted', 'measured', '']];
  for (const { title, wanted, value, verdict } of verdicts) {
    rows.push([title, wanted, value === null ? '-' : two(value), verdict]);
  }
  return renderTable(rows);
}

/**
 * @param {any} record what the run keeps
 * @returns {string}
 */
export function renderReport(record) {
  const { machine, options, postgres, elsewhereShare } = record;
  const lines = [
    `${machine.cores} cores (${machine.cpu}), ${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB, ${machine.system}`,
    `Node ${machine.node}, load by ${record.tool}, ${options.rounds} round(s) of ${options.seconds} s, ${machine.date}`,
  ];
  if (elsewhereShare > CROWDED) {
    lines.push(
      `NOT ALONE: other work took ${(elsewhereShare * 100).toFixed(0)} % of the machine while it was measured. Rates and ` +
        'ratios suffer from that unevenly; repeat this on a quiet machine.',
    );
  }
  if (!hasProc) lines.push('This system has no /proc: CPU seconds by process are not known.');
  if (postgres !== null) {
    const { settings, disk } = postgres;
    lines.push(
      `Postgres ${settings.server_version}: fsync ${settings.fsync}, synchronous_commit ${settings.synchronous_commit}, ` +
        `on ${disk.fileSystem}, where 8 KiB written and synced take ${disk.syncMs.toFixed(2)} ms. ` +
        `Request windows: ${record.rateStore}.`,
    );
    if (disk.fileSystem === 'tmpfs') lines.push('That is memory, not a disk: syncing costs nothing there.');
  }
  for (const [id, reason] of Object.entries(record.absent)) lines.push(`Not measured, ${id}: ${reason}`);
  /** @type {TargetNames} */
  const targets = new Map(record.targets.map((/** @type {any} */ target) => [target.id, target]));
  const columns = ['postgres', 'redis', 'upstream', 'load', 'elsewhere'].filter(
    (name) => name === 'load' || name === 'elsewhere' || record.processes.includes(name),
  );
  for (const scenario of SCENARIOS) {
    if (scenario.id in record.results) {
      lines.push('', renderScenario(scenario, record.results[scenario.id], targets, columns));
    }
  }
  lines.push('', renderVerdicts(record.verdicts), '', 'Checks');
  for (const { title, ok, detail } of record.checks) {
    lines.push(`${ok ? 'ok    ' : 'FAILED'} ${title}: ${detail || 'none'}`);
  }
  lines.push('', `Took ${record.seconds.toFixed(0)} s.`);
  return lines.join('\n');
}
