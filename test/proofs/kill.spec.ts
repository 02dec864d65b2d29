/**
 * kill -9 of the service at each point of a call. No call is lost or charged twice, and the next sweeper (another process, or
 * the restarted one) charges the dead process's open calls whole. The points are reached from outside, by holding back messages
 * of Postgres or the provider.
 */
import { markerOf, type ChaosCall } from '../support/chaos-call.js';
import {
  ChaosWorld,
  LEASE_SECONDS,
  SWEEP_SECONDS,
  measured,
  type ChaosProcess,
  type LimitedHuman,
} from '../support/chaos-world.js';
import { eventually, pause } from '../support/eventually.js';
import { streamPieces, usageOf } from '../support/openai-upstream.js';
import { isCallOf } from '../support/postgres-proxy.js';
import { inForm } from '../support/proof-form.js';

const POINTS = ['after reserve', 'mid-upstream', 'mid-stream', 'before settle', 'after settle'] as const;
type Point = (typeof POINTS)[number];

/** At each point, and for each of the two possible sweepers. */
const REPEATS = inForm(1, 10);
const CALLS = 3;
const LIMITS = { request_cnt: 100, token_cnt: 1_000_000 };
const WORDS = Array.from({ length: 20 }, (_, index) => ` word${index}`);
const ASK = { max_completion_tokens: 321 };
/** A busy machine is slow; an orphan that no process sweeps would stay for ever. */
const PATIENCE_MS = 10 * (LEASE_SECONDS + SWEEP_SECONDS) * 1000;

let world: ChaosWorld;

beforeAll(async () => {
  world = await ChaosWorld.start();
});

afterAll(() => world.stop());

interface Killed {
  readonly point: Point;
  readonly human: LimitedHuman;
  readonly calls: readonly ChaosCall[];
  readonly at: Date;
}

async function killAt(point: Point, doomed: ChaosProcess): Promise<Killed> {
  const human = await world.limitedHuman(LIMITS);
  const calls = await reach(point, doomed, human);
  const [now] = await world.sql<{ at: Date }>('SELECT clock_timestamp() AS at');
  await doomed.kill9();
  return { point, human, calls, at: now!.at };
}

/** Brings calls to the point, and leaves them there. */
async function reach(point: Point, doomed: ChaosProcess, human: LimitedHuman): Promise<ChaosCall[]> {
  const start = (fields: object = {}): ChaosCall[] =>
    Array.from({ length: CALLS }, () => world.call(doomed, human, { ...ASK, ...fields }));
  const { upstream } = world;
  const before = upstream.requests.length;
  switch (point) {
    case 'after reserve': {
      deafen(doomed, 'admit_usage');
      const calls = start();
      await eventually(async () => (await world.ledgerOf(human)).length > 0);
      expect(upstream.requests).toHaveLength(before);
      return calls;
    }
    case 'mid-upstream': {
      for (let call = 0; call < CALLS; call += 1) upstream.next({ kind: 'hang' });
      const calls = start();
      await upstream.request(before + CALLS);
      return calls;
    }
    case 'mid-stream': {
      const pieces = streamPieces({ words: WORDS, usage: usageOf(7, 20) });
      for (let call = 0; call < CALLS; call += 1) upstream.next({ kind: 'stream', pieces, stallAfter: 10 });
      const calls = start({ stream: true });
      for (const call of calls) await call.until(' word8"');
      return calls;
    }
    case 'before settle':
      return answered(doomed, start, () => mute(doomed, 'settle_usage'));
    case 'after settle': {
      const calls = await answered(doomed, start, () => deafen(doomed, 'settle_usage'));
      await eventually(async () => (await world.ledgerOf(human)).some(({ state }) => state === 'SETTLED'));
      return calls;
    }
  }
}

/** Lets every call get its whole answer, and acts between the reservations and the first settlement. */
async function answered(
  doomed: ChaosProcess,
  start: (fields: object) => ChaosCall[],
  beforeSettling: () => { readonly reached: boolean },
): Promise<ChaosCall[]> {
  const { upstream } = world;
  const before = upstream.requests.length;
  const gate = Promise.withResolvers<undefined>();
  const pieces = streamPieces({ words: WORDS, usage: usageOf(7, 20) });
  for (let call = 0; call < CALLS; call += 1) upstream.next({ kind: 'stream', pieces, after: gate.promise });
  const calls = start({ stream: true });
  await upstream.request(before + CALLS);
  const hold = beforeSettling();
  gate.resolve(undefined);
  await Promise.all(calls.map((call) => call.over()));
  for (const call of calls) expect((await call.over()).text).toContain('[DONE]');
  await eventually(() => hold.reached);
  return calls;
}

/** From this statement on Postgres receives nothing. */
function mute({ proxy }: ChaosProcess, statement: string): { readonly reached: boolean } {
  const hold = { reached: false };
  proxy.judge = (message) => {
    hold.reached ||= isCallOf(statement, message);
    return hold.reached && message.from === 'client' ? 'drop' : 'pass';
  };
  return hold;
}

/** Postgres receives this statement and all others; its answers from then on are lost. */
function deafen({ proxy }: ChaosProcess, statement: string): { readonly reached: boolean } {
  const hold = { reached: false };
  proxy.judge = (message) => {
    hold.reached ||= isCallOf(statement, message);
    return hold.reached && message.from === 'server' ? 'drop' : 'pass';
  };
  return hold;
}

async function assertSettledOnce({ point, human, calls }: Killed): Promise<void> {
  const rows = await world.idle(human, PATIENCE_MS);
  const markers = new Set(calls.map(({ marker }) => marker));
  // No call twice, and no correction of a dead process's call.
  expect(rows.every(({ kind, request_id: id }) => kind === 'CALL' && markers.has(id))).toBe(true);
  expect(new Set(rows.map(({ request_id: id }) => id)).size).toBe(rows.length);
  const sent = world.upstream.requests.map(markerOf).filter((marker) => markers.has(marker));
  // No call went upstream twice, or without a record.
  expect(new Set(sent).size).toBe(sent.length);
  for (const marker of sent) expect(rows.map(({ request_id: id }) => id)).toContain(marker);
  for (const row of rows) {
    if (row.state === 'SETTLED') {
      expect(point).toBe('after settle');
      expect(row).toMatchObject({ outcome: 'OK', requests: 1, input_tokens: 7, output_tokens: 20, estimated: false });
    } else {
      expect(row).toMatchObject({
        state: 'SWEPT',
        outcome: 'ORPHANED',
        requests: 1,
        input_tokens: row.reserved_input_tokens,
        output_tokens: 321,
        estimated: true,
      });
    }
  }
  if (point === 'after reserve') expect([sent.length, rows.length > 0]).toEqual([0, true]);
  else expect([sent.length, rows.length]).toEqual([CALLS, CALLS]);
  if (point === 'after settle') expect(rows.some(({ state }) => state === 'SETTLED')).toBe(true);
  await world.assertExact(human);
}

/** Seconds from the kill to the settlement of its last orphan, by the database's clock. */
async function sweptAfter({ human, at }: Killed): Promise<number> {
  const rows = await world.ledgerOf(human);
  const swept = rows.filter(({ state }) => state === 'SWEPT').map((row) => row.settled_at!.getTime() - at.getTime());
  return swept.length === 0 ? 0 : Math.max(...swept) / 1000;
}

/** Later sweeps change no settled call: the dead leases are swept again for two minutes. */
async function assertStays(killed: readonly Killed[]): Promise<void> {
  const before = await Promise.all(killed.map(({ human }) => world.ledgerOf(human)));
  await pause(2 * SWEEP_SECONDS * 1000);
  expect(await Promise.all(killed.map(({ human }) => world.ledgerOf(human)))).toEqual(before);
  for (const { human } of killed) await world.assertExact(human);
}

const TIMEOUT_MS = inForm(240_000, 1_800_000);
const everyPoint = Array.from({ length: REPEATS }, () => POINTS).flat();

describe('kill -9 of the service at each point of its calls', () => {
  it(
    'makes another process charge its open calls, once, without affecting that one’s own open call',
    async () => {
      const [survivor, first] = await Promise.all([world.process(), world.process()]);
      world.upstream.next({
        kind: 'stream',
        pieces: streamPieces({ words: Array.from({ length: 2000 }, () => ' word') }),
        delayMs: 500,
      });
      const human = await world.limitedHuman(LIMITS);
      const living = world.call(survivor, human, { ...ASK, stream: true });
      await living.until('" word"');

      const killed: Killed[] = [];
      let next = Promise.resolve(first);
      for (const [index, point] of everyPoint.entries()) {
        const doomed = await next;
        if (index + 1 < everyPoint.length) next = world.process();
        const one = await killAt(point, doomed);
        await assertSettledOnce(one);
        killed.push(one);
      }
      const times = await Promise.all(killed.map(sweptAfter));
      measured(`${killed.length} kills, orphans settled by another process after at most (s)`, Math.max(...times));

      expect(await world.ledgerOf(human)).toMatchObject([{ state: 'RESERVED' }]);
      living.hangUp();
      expect(await world.idle(human)).toMatchObject([{ kind: 'CALL', state: 'SETTLED', outcome: 'CLIENT_ABORTED' }]);
      await world.assertExact(human);
      await assertStays(killed);
      await survivor.stop();
    },
    TIMEOUT_MS,
  );

  it(
    'makes the process that is started in its place charge its open calls, once',
    async () => {
      const killed: Killed[] = [];
      let only = await world.process();
      for (const point of everyPoint) {
        const one = await killAt(point, only);
        only = await world.process();
        await assertSettledOnce(one);
        killed.push(one);
      }
      const times = await Promise.all(killed.map(sweptAfter));
      measured(
        `${killed.length} kills, orphans settled after a restart, that included, after at most (s)`,
        Math.max(...times),
      );
      await assertStays(killed);
      await only.stop();
    },
    TIMEOUT_MS,
  );
});
