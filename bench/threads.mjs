// What threads cost: the time from send-message to the first delta, over the provider's own time; how long a run goes on after
// another replica cancels it; and how many runs a second are accepted and finished with a provider that answers at once.
//
//   npm run build && npx node bench/threads.mjs
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { withClient } from './ledger.mjs';
import { Session, messageOf } from './session.mjs';
import { startGround, startReplica } from './stage.mjs';
import { percentile } from './statistics.mjs';
import { MODEL } from './wire.mjs';

const LATENCY_MESSAGES = 300;
const WARM_UP_MESSAGES = 100;
const RUNS = 10_000;
const CONNECTIONS = 64;
const CANCELS = 200;
/** Longer than any run that is cancelled lasts. */
const NEVER_MS = 60_000;
/** The wait after a refusal because all places are taken. */
const AGAIN_MS = 20;
/** The time that a provider takes before a stream's first event. */
const PROVIDER_MS = 20;

const chunk = (
  /** @type {object} */ delta,
  /** @type {string | null} */ finish = null,
  /** @type {object} */ more = {},
) =>
  `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: MODEL, choices: [{ index: 0, delta, finish_reason: finish }], ...more })}\n\n`;
const STREAM = [
  chunk({ role: 'assistant', content: 'Hello' }),
  chunk({ content: ' there.' }),
  chunk({}, 'stop', { usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 } }),
  'data: [DONE]\n\n',
].join('');

/** A provider that streams a short answer, after `delayMs`. */
async function startProvider() {
  const provider = {
    ...{ delayMs: 0, port: 0, close: () => server.closeAllConnections() },
    onAsked: () => {},
    onHungUp: () => {},
  };
  const server = http.createServer((request, response) => {
    response.on('close', () => {
      if (!response.writableEnded) provider.onHungUp();
    });
    request.resume().on('end', () => {
      provider.onAsked();
      const answer = () => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(STREAM);
      if (provider.delayMs === 0) answer();
      else setTimeout(answer, provider.delayMs);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  provider.port = /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  return provider;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 2 * CONNECTIONS });

/**
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {object} body
 * @param {(text: string) => boolean} [until] true: enough was read
 * @returns {Promise<string>}
 */
function post(url, headers, body, until = () => false) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, {
      method: 'POST',
      agent,
      headers: { ...headers, 'content-type': 'application/json' },
    });
    request.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
        if (until(text)) resolve(text);
      });
      response.on('error', reject).on('end', () => {
        if (response.statusCode === 200) resolve(text);
        // Runs that are open take the tenant's places. Clients retry too, only later.
        else if (response.statusCode === 429) setTimeout(() => resolve(post(url, headers, body, until)), AGAIN_MS);
        else reject(new Error(`${url} answered ${response.statusCode}: ${text}`));
      });
    });
    request.end(JSON.stringify(body));
  });
}

/**
 * @param {string} origin
 * @param {Record<string, string>} headers
 * @returns {Promise<number[]>} milliseconds from a message to its first delta
 */
async function measureFirstDeltas(origin, headers) {
  const times = [];
  for (let index = -WARM_UP_MESSAGES; index < LATENCY_MESSAGES; index += 1) {
    const startedAt = performance.now();
    const sent = await post(`${origin}/api/v1/llm/gateway/send-message`, headers, {
      conversationKey: `latency ${index}`,
      userMessage: { content: 'Hello.' },
    });
    const { runId } = JSON.parse(sent);
    await post(`${origin}/api/v1/llm/gateway/run-events`, headers, { runId }, (text) => text.includes('event: delta'));
    if (index >= 0) times.push(performance.now() - startedAt);
  }
  return times;
}

/**
 * @param {Awaited<ReturnType<typeof startProvider>>} provider
 * @param {string} origin of the replica that runs it
 * @param {string} other of the one that cancels it
 * @param {Record<string, string>} headers
 * @returns {Promise<number[]>} milliseconds from cancel-run until the provider's connection is closed
 */
async function measureCancels(provider, origin, other, headers) {
  const times = [];
  provider.delayMs = NEVER_MS;
  for (let index = 0; index < CANCELS; index += 1) {
    const asked = new Promise((resolve) => (provider.onAsked = () => resolve(undefined)));
    const hungUp = new Promise((resolve) => (provider.onHungUp = () => resolve(undefined)));
    const sent = await post(`${origin}/api/v1/llm/gateway/send-message`, headers, {
      conversationKey: `cancel ${index}`,
      userMessage: { content: 'Hello.' },
    });
    await asked;
    const startedAt = performance.now();
    await post(`${other}/api/v1/llm/gateway/cancel-run`, headers, { runId: JSON.parse(sent).runId });
    await hungUp;
    times.push(performance.now() - startedAt);
  }
  return times;
}

/**
 * @param {import('./service.mjs').Cluster} cluster
 * @param {string} origin
 * @param {Record<string, string>} headers
 * @param {string} name of the turn
 */
async function measureRuns(cluster, origin, headers, name) {
  const startedAt = performance.now();
  let next = 0;
  const sender = async () => {
    for (let index = next++; index < RUNS; index = next++)
      await post(`${origin}/api/v1/llm/gateway/send-message`, headers, {
        conversationKey: `${name} ${index}`,
        userMessage: { content: 'Hello.' },
      });
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, sender));
  const takenSeconds = (performance.now() - startedAt) / 1000;
  return withClient(cluster.inspectorUrl, async (client) => {
    for (;;) {
      const { rows } = await client.query(
        `SELECT count(*) FILTER (WHERE r.ended_at IS NULL)::int AS open, count(*) FILTER (WHERE r.status = 'COMPLETED')::int AS completed,
                count(*)::int AS all
         FROM runs r JOIN threads t ON t.id = r.thread_id WHERE t.conversation_key LIKE $1`,
        [`${name} %`],
      );
      const [{ open, completed, all }] = rows;
      if (open === 0) return { takenSeconds, seconds: (performance.now() - startedAt) / 1000, completed, all };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
}

async function main() {
  const session = new Session();
  try {
    const ground = await startGround(session);
    const { cluster, tenant } = ground;
    await withClient(cluster.inspectorUrl, (client) =>
      client.query("UPDATE api_keys SET scopes = scopes || '{conversations:read,conversations:write}'"),
    );
    const provider = await startProvider();
    session.onEnd(async () => provider.close());
    const environment = {
      LOG_LEVEL: 'warn',
      // Both replicas read what the other one has written.
      GATEHOUSE_ENCRYPTION_KEYS: `1:${randomBytes(32).toString('base64url')}`,
    };
    const start = async (/** @type {string} */ name) => {
      const { port, stop } = await startReplica(session, ground, provider.port, environment, name);
      return { origin: `http://127.0.0.1:${port}`, stop };
    };
    const { origin, stop } = await start('service');
    session.onEnd(stop);
    const headers = { 'x-api-key': tenant.secretKey };

    provider.delayMs = PROVIDER_MS;
    const direct = [];
    for (let index = 0; index < LATENCY_MESSAGES; index += 1) {
      const startedAt = performance.now();
      await post(`http://127.0.0.1:${provider.port}/`, {}, {});
      direct.push(performance.now() - startedAt);
    }
    const times = await measureFirstDeltas(origin, headers);
    const [own, ours] = [percentile(direct, 0.5), percentile(times, 0.5)];
    process.stdout.write(
      `send-message to the first delta: p50 ${ours.toFixed(1)} ms, p95 ${percentile(times, 0.95).toFixed(1)} ms; the provider alone ` +
        `${own.toFixed(1)} ms; added at p50 ${(ours - own).toFixed(1)} ms (goal: at most 15)\n`,
    );

    const replica = await start('replica');
    const cancels = await measureCancels(provider, origin, replica.origin, headers);
    await replica.stop();
    process.stdout.write(
      `cancel-run on another replica: p50 ${percentile(cancels, 0.5).toFixed(0)} ms, the slowest of ${CANCELS} ` +
        `${Math.max(...cancels).toFixed(0)} ms until the provider is let go (goal: at most 500)\n`,
    );

    provider.delayMs = 0;
    for (const name of ['warm-up', 'measured']) {
      const { takenSeconds, seconds, completed, all } = await measureRuns(cluster, origin, headers, name);
      process.stdout.write(
        `${name}: ${all} runs taken in ${takenSeconds.toFixed(1)} s and finished in ${seconds.toFixed(1)} s: ` +
          `${(completed / seconds).toFixed(0)} runs/s (goal: at least 1,000), ${all - completed} of them not completed\n`,
      );
    }
    await session.close(false);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    await session.close(true);
    process.exitCode = 1;
  }
}

await main();
process.exit();
