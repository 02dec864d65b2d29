// Proves that the numbers are valid: each target answers what the upstream said, and no call went missing.
import { setTimeout as sleep } from 'node:timers/promises';
import { countLedger } from './ledger.mjs';
import { BODIES } from './scenarios.mjs';
import { MODEL, STREAM_CHUNKS, TOKENS } from './wire.mjs';

/**
 * @typedef {object} Check
 * @property {string} title
 * @property {boolean} ok
 * @property {string} detail
 */

/**
 * What the upstream has served; `byKey` by the Authorization header of the call.
 * @typedef {{ byKey: Record<string, number>, inFlight: number, aborted: number }} UpstreamCount
 */

/**
 * @param {string} upstreamUrl
 * @returns {Promise<UpstreamCount>}
 */
export async function readCount(upstreamUrl) {
  const answer = await fetch(`${upstreamUrl}/__count`);
  return /** @type {Promise<UpstreamCount>} */ (answer.json());
}

/**
 * Checks one answer of each kind in full: a target that is fast because it answers something else does not count.
 * @param {import('./ring.mjs').Target} target
 * @throws {Error} saying what it answered instead
 */
export async function tryOut(target) {
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

/**
 * Two proofs. An exact one: a number of calls, each awaited to its end, make as many rows, with the tokens that the upstream
 * stated. And one over everything that was sent. The load tool leaves calls open when its time is up. Such a call may have a
 * row and never reach the upstream, so the count lies between two bounds.
 * @param {import('./service.mjs').Cluster} cluster
 * @param {import('./ring.mjs').Target} target the service
 * @param {import('./meter.mjs').Meter} meter
 * @param {string} upstreamUrl
 * @returns {Promise<Check[]>}
 */
export async function checkLedger(cluster, target, meter, upstreamUrl) {
  const settled = async () => {
    let count = await countLedger(cluster);
    for (let wait = 0; wait < 60 && count.open > 0; wait += 1) {
      await sleep(250);
      count = await countLedger(cluster);
    }
    return count;
  };
  const before = await settled();
  const json = { body: BODIES.json(MODEL), connections: 50, amount: 2_000 };
  const stream = { body: BODIES.stream(MODEL), connections: 50, amount: 500 };
  const sent = json.amount + stream.amount;
  const served =
    (await meter.measure(target, json)).servedByUpstream + (await meter.measure(target, stream)).servedByUpstream;
  const after = await settled();
  const rows = after.rows - before.rows;
  const input = after.inputTokens - before.inputTokens;
  const output = after.outputTokens - before.outputTokens;
  const upstreamTotal = (await readCount(upstreamUrl)).byKey[target.upstreamKey] ?? 0;
  const { answered, leftOpen } = meter.totals;
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
      ok: after.rows >= upstreamTotal && after.rows >= answered && after.rows - upstreamTotal <= leftOpen,
      detail: `${after.rows} rows, ${upstreamTotal} at the upstream, ${answered} answered, up to ${leftOpen} cut off`,
    },
    {
      title: 'every row settled by the process that served it',
      ok: after.open === 0 && after.swept === 0 && after.corrections === 0,
      detail: `${after.open} open, ${after.swept} swept, ${after.corrections} corrected; ${JSON.stringify(after.outcomes)}`,
    },
  ];
}
