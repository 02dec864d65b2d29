// One turn of load by autocannon, in a process of its own (one worker), so that its CPU time is its own.
// The order comes as JSON on standard input's first line, the result goes as one line of JSON to standard output.
import autocannon from 'autocannon';
import { createInterface } from 'node:readline';

/** @typedef {import('./load-tool.mjs').LoadOrder} LoadOrder */

/** @type {LoadOrder} */
const order = await new Promise((resolve) => {
  createInterface({ input: process.stdin }).once('line', (line) => resolve(JSON.parse(line)));
});
process.stdin.on('end', () => process.exit(1));

const { rotate } = order;
let turn = 0;
const cpuBefore = process.cpuUsage();
const startedAt = performance.now();
const result = await autocannon({
  url: order.url,
  method: 'POST',
  headers: order.headers,
  body: order.body,
  connections: order.connections,
  pipelining: 1,
  timeout: 60,
  ...(order.amount === undefined ? { duration: order.seconds ?? 1 } : { amount: order.amount }),
  ...(rotate === undefined
    ? {}
    : {
        requests: [
          {
            setupRequest: (/** @type {import('autocannon').Request} */ request) => {
              turn = (turn + 1) % rotate.count;
              return { ...request, headers: { ...request.headers, [rotate.header]: `${rotate.prefix}${turn}` } };
            },
          },
        ],
      }),
});
const wallSeconds = (performance.now() - startedAt) / 1000;
const cpu = process.cpuUsage(cpuBefore);

const answered = result['2xx'] + result.non2xx;
/** @type {import('./load-tool.mjs').LoadResult} */
const report = {
  tool: 'autocannon',
  requests: answered,
  seconds: order.amount === undefined ? result.duration : wallSeconds,
  requestsPerSecond: answered / (order.amount === undefined ? result.duration : wallSeconds),
  non2xx: result.non2xx,
  errors: result.errors,
  timeouts: result.timeouts,
  latencyMs: { p50: result.latency.p50, p99: result.latency.p99 },
  cpuSeconds: (cpu.user + cpu.system) / 1_000_000,
};
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
