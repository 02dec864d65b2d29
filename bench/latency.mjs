// One connection, one request after the other: what a call costs when no other call is open. Load tools count in milliseconds
// or under queueing; this counts each call in microseconds. The targets take turns in small blocks, so that slow moments of the
// machine meet all of them.
// The order comes as JSON on standard input's first line, the result goes as one line of JSON to standard output.
import { createInterface } from 'node:readline';
import { Client } from 'undici';
import { percentile, sum } from './statistics.mjs';

/**
 * @typedef {object} LatencyOrder
 * @property {{ id: string, url: string, headers: Record<string, string> }[]} targets
 * @property {string} body
 * @property {number} warmups calls to each target before the first measured one
 * @property {number} blocks how often each target has its turn
 * @property {number} blockSize calls in a turn
 * @property {'end' | 'first'} until the answer's end, or the first piece of its body
 */

/** @typedef {Record<string, { calls: number, meanMs: number, p50Ms: number, p90Ms: number, p99Ms: number, non2xx: number }>} LatencyResult */

/** @type {LatencyOrder} */
const order = await new Promise((resolve) => {
  createInterface({ input: process.stdin }).once('line', (line) => resolve(JSON.parse(line)));
});
process.stdin.on('end', () => process.exit(1));

const lanes = order.targets.map((target) => {
  const url = new URL(target.url);
  return {
    id: target.id,
    path: url.pathname,
    headers: target.headers,
    client: new Client(url.origin, { pipelining: 1, bodyTimeout: 30_000, headersTimeout: 30_000 }),
    /** @type {number[]} */
    times: [],
    non2xx: 0,
  };
});

/** @param {(typeof lanes)[number]} lane */
async function call(lane) {
  const startedAt = performance.now();
  const { statusCode, body } = await lane.client.request({
    method: 'POST',
    path: lane.path,
    headers: lane.headers,
    body: order.body,
  });
  let took = 0;
  for await (const _piece of body) if (took === 0) took = performance.now() - startedAt;
  if (order.until === 'end') took = performance.now() - startedAt;
  if (statusCode < 200 || statusCode > 299) lane.non2xx += 1;
  return took;
}

for (const lane of lanes) {
  for (let index = 0; index < order.warmups; index += 1) await call(lane);
}
for (let block = 0; block < order.blocks; block += 1) {
  for (const lane of lanes) {
    for (let index = 0; index < order.blockSize; index += 1) lane.times.push(await call(lane));
  }
}

/** @type {LatencyResult} */
const result = {};
for (const { id, times, non2xx } of lanes) {
  result[id] = {
    calls: times.length,
    meanMs: sum(times) / times.length,
    p50Ms: percentile(times, 0.5),
    p90Ms: percentile(times, 0.9),
    p99Ms: percentile(times, 0.99),
    non2xx,
  };
}
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
