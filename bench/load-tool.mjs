// Starts one turn of load by wrk or autocannon, and gives both tools' results one shape.
import { writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { readReapedCpuSeconds } from './processes.mjs';

/**
 * @typedef {object} LoadOrder
 * @property {string} url
 * @property {Record<string, string>} headers
 * @property {string} body
 * @property {number} connections
 * @property {number} [seconds] how long; or
 * @property {number} [amount] how many requests, all of them awaited to their end
 * @property {{ header: string, prefix: string, count: number }} [rotate] a header that takes `count` values in turn
 */

/**
 * @typedef {object} LoadResult
 * @property {'wrk' | 'autocannon'} tool
 * @property {number} requests answered in full
 * @property {number} seconds
 * @property {number} requestsPerSecond
 * @property {number} non2xx
 * @property {number} errors connections refused, reset or cut
 * @property {number} timeouts
 * @property {{ p50: number, p99: number }} latencyMs autocannon counts in whole milliseconds
 * @property {number | null} cpuSeconds of the tool itself
 */

export function hasWrk() {
  try {
    execFileSync('wrk', ['-v'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    // `wrk -v` prints its version and ends with 1; only a missing program has no exit status.
    return /** @type {{ status?: number | null }} */ (error).status === 1;
  }
}

/** @param {string} text */
function quoteLua(text) {
  return `"${text.replace(/[^\x20-\x7e]|["\\]/gu, (found) =>
    [...Buffer.from(found)].map((byte) => `\\${String(byte).padStart(3, '0')}`).join(''),
  )}"`;
}

/** @param {LoadOrder} order */
function renderWrkScript(order) {
  const lines = ['wrk.method = "POST"', `wrk.body = ${quoteLua(order.body)}`];
  for (const [name, value] of Object.entries(order.headers)) {
    lines.push(`wrk.headers[${quoteLua(name)}] = ${quoteLua(value)}`);
  }
  if (order.rotate !== undefined) {
    const { header, prefix, count } = order.rotate;
    lines.push(
      'local rendered, turn = {}, 0',
      'function init(args)',
      `  for index = 1, ${count} do`,
      `    wrk.headers[${quoteLua(header)}] = ${quoteLua(prefix)} .. (index - 1)`,
      '    rendered[index] = wrk.format()',
      '  end',
      'end',
      'function request()',
      `  turn = turn % ${count} + 1`,
      '  return rendered[turn]',
      'end',
    );
  }
  lines.push(
    'function done(summary, latency, requests)',
    '  local e = summary.errors',
    '  io.write(string.format("\\nRESULT {\\"requests\\":%d,\\"microseconds\\":%d,\\"status\\":%d,\\"connect\\":%d,"',
    '    .. "\\"read\\":%d,\\"write\\":%d,\\"timeout\\":%d,\\"p50\\":%d,\\"p99\\":%d}\\n",',
    '    summary.requests, summary.duration, e.status, e.connect, e.read, e.write, e.timeout,',
    '    latency:percentile(50), latency:percentile(99)))',
    'end',
  );
  return `${lines.join('\n')}\n`;
}

/**
 * wrk stops at the end of its time and drops what is still open; it can't send a given number of requests.
 * @param {import('./processes.mjs').ProcessGroup} group
 * @param {string} runDirectory
 * @param {LoadOrder & { seconds: number }} order
 * @returns {Promise<LoadResult>}
 */
async function runWrk(group, runDirectory, order) {
  const script = join(runDirectory, 'load.lua');
  writeFileSync(script, renderWrkScript(order));
  const cpuBefore = readReapedCpuSeconds();
  const out = await group.run(
    'wrk',
    ['-t1', `-c${order.connections}`, `-d${Math.ceil(order.seconds)}s`, '--timeout', '30s', '-s', script, order.url],
    { timeoutMs: (order.seconds + 30) * 1000 },
  );
  const cpuAfter = readReapedCpuSeconds();
  const line = /^RESULT (\{.*\})$/m.exec(out)?.[1];
  if (line === undefined) throw new Error(`wrk said something unexpected: ${out.slice(0, 300)}`);
  const said = JSON.parse(line);
  const seconds = said.microseconds / 1_000_000;
  return {
    tool: 'wrk',
    requests: said.requests,
    seconds,
    requestsPerSecond: said.requests / seconds,
    non2xx: said.status,
    errors: said.connect + said.read + said.write,
    timeouts: said.timeout,
    latencyMs: { p50: said.p50 / 1000, p99: said.p99 / 1000 },
    cpuSeconds: cpuBefore === null || cpuAfter === null ? null : cpuAfter - cpuBefore,
  };
}

/**
 * @param {import('./processes.mjs').ProcessGroup} group
 * @param {LoadOrder} order
 * @returns {Promise<LoadResult>}
 */
async function runAutocannon(group, order) {
  const out = await group.run(process.execPath, [fileURLToPath(new URL('load.mjs', import.meta.url))], {
    timeoutMs: order.seconds === undefined ? 300_000 : (order.seconds + 90) * 1000,
    input: `${JSON.stringify(order)}\n`,
  });
  return JSON.parse(out);
}

/**
 * @param {import('./processes.mjs').ProcessGroup} group
 * @param {'wrk' | 'autocannon'} tool used for turns of a given length; a given number is autocannon's work always
 * @param {string} runDirectory
 * @param {LoadOrder} order
 * @returns {Promise<LoadResult>}
 */
export function runLoad(group, tool, runDirectory, order) {
  if (tool === 'wrk' && order.seconds !== undefined && order.amount === undefined) {
    return runWrk(group, runDirectory, { ...order, seconds: order.seconds });
  }
  return runAutocannon(group, order);
}
