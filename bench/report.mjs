// The bench's findings as text.
import { GOALS } from './scenarios.mjs';

/**
 * @param {string[][]} rows the first is the heading; the first column is set left, the others right
 */
export function renderTable(rows) {
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
 * @param {{ summaries: Record<string, import('./scenarios.mjs').TargetSummary> }} result
 * @param {TargetNames} targets
 * @param {string[]} processes besides the target's own
 */
function renderThroughput({ summaries }, targets, processes) {
  const bare = summaries['bare']?.requestsPerSecond;
  const heading = ['', 'requests/s', 'lowest', 'highest', '÷ bare', 'p50 ms', 'p99 ms', 'CPU µs/request', 'own CPU s'];
  const rows = [[...heading, ...processes.map((name) => `${name} CPU s`)]];
  for (const [id, summary] of Object.entries(summaries)) {
    rows.push([
      targets.get(id)?.title ?? id,
      whole(summary.requestsPerSecond),
      whole(summary.lowest),
      whole(summary.highest),
      bare === undefined ? '-' : two(summary.requestsPerSecond / bare),
      summary.p50Ms.toFixed(1),
      summary.p99Ms.toFixed(1),
      summary.cpuMicrosPerRequest === null ? '-' : whole(summary.cpuMicrosPerRequest),
      two(summary.cpuSeconds[targets.get(id)?.process ?? '']),
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

/** @param {{ readings: { requests: number, rssBytes: number | null, heapBytes: number | null }[], ratio: number | null }} result */
function renderMemory({ readings, ratio }) {
  const rows = [['after requests', 'resident set', 'heap in use']];
  for (const reading of readings) {
    rows.push([whole(reading.requests), inMegabytes(reading.rssBytes), inMegabytes(reading.heapBytes)]);
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
export function renderScenario(scenario, result, targets, processes) {
  const title = `${scenario.title}\n${'-'.repeat(scenario.title.length)}`;
  if (result === null || result === undefined) return `${title}\nnot measured: the service is not there`;
  if (result.summaries !== undefined) return `${title}\n${renderThroughput(result, targets, processes)}`;
  if (result.byTarget !== undefined) return `${title}\n${renderLatency(result, targets)}`;
  return `${title}\n${renderMemory(result)}`;
}

/**
 * @param {any} results by scenario id
 * @param {boolean} quick
 * @returns {{ title: string, wanted: string, value: number | null, verdict: string }[]}
 */
export function judge(results, quick) {
  return GOALS.map(({ title, direction, limit, unit, longRunOnly, read }) => {
    const value = read(results);
    const wanted = limit === null ? '' : `${direction === 'at least' ? '≥' : '≤'} ${limit}${unit}`;
    let verdict = '';
    if (value === null) verdict = 'not measured';
    else if (limit !== null && longRunOnly && quick) verdict = 'quick run: no verdict';
    else if (limit !== null) verdict = (direction === 'at least' ? value >= limit : value <= limit) ? 'met' : 'SHORT';
    return { title, wanted, value, verdict };
  });
}

/** @param {ReturnType<typeof judge>} verdicts */
export function renderVerdicts(verdicts) {
  const rows = [['Goals', 'wanted', 'measured', '']];
  for (const { title, wanted, value, verdict } of verdicts) {
    rows.push([title, wanted, value === null ? '-' : two(value), verdict]);
  }
  return renderTable(rows);
}
