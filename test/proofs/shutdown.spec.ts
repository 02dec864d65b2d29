/**
 * SIGTERM while calls are open under limits. The process settles all of them before it ends: no other one could sweep, and yet
 * nothing stays reserved.
 */
import { ChaosWorld } from '../support/chaos-world.js';
import { eventually, pause } from '../support/eventually.js';
import { completion, streamPieces, usageOf } from '../support/openai-upstream.js';
import { inForm } from '../support/proof-form.js';

let world: ChaosWorld;

beforeAll(async () => {
  world = await ChaosWorld.start();
});

afterAll(() => world.stop());
beforeEach(() => world.upstream.reset());

/** Longer than a busy machine stands still: a process that is late with its lease would be swept before it settles. */
const LEASE = { GATEHOUSE_LEASE_SECONDS: '20' };
const LIMITS = { request_cnt: 10_000, token_cnt: 10_000_000 };
const WORDS = Array.from({ length: 500 }, (_, index) => ` word${index}`);

it('settles the calls that end in time, those that it cuts off and those without an answer, and leaves nothing reserved', async () => {
  const service = await world.process({ ...LEASE, GATEHOUSE_DRAIN_SECONDS: '2' });
  const human = await world.limitedHuman(LIMITS);
  const { upstream } = world;
  upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS }), delayMs: 50 });
  const long = world.call(service, human, { stream: true });
  await long.until(' word9"');
  upstream.next({ kind: 'hang' });
  const waiting = world.call(service, human);
  await upstream.request(2);
  upstream.next({ kind: 'body', body: completion({ usage: usageOf(7, 20) }), delayMs: 500 });
  const short = world.call(service, human);
  await upstream.request(3);

  expect(await service.stop()).toMatchObject({ code: 0, stderr: '' });
  expect([long.status, waiting.status, short.status]).toEqual([200, 503, 200]);
  const rows = new Map((await world.ledgerOf(human)).map((row) => [row.request_id, row]));
  expect(rows.size).toBe(3);
  expect(rows.get(short.marker)).toMatchObject({ state: 'SETTLED', outcome: 'OK', output_tokens: 20, requests: 1 });
  expect(rows.get(long.marker)).toMatchObject({ state: 'SETTLED', outcome: 'SHUTDOWN', requests: 1, estimated: true });
  expect(rows.get(long.marker)!.output_tokens).toBeGreaterThan(10);
  expect(rows.get(waiting.marker)).toMatchObject({
    state: 'SETTLED',
    outcome: 'SHUTDOWN',
    requests: 0,
    output_tokens: 0,
  });
  await world.assertExact(human);
});

it(
  'settles all open calls under load, again and again, and leaves nothing reserved',
  async () => {
    for (let repeat = 0; repeat < inForm(2, 20); repeat += 1) {
      world.upstream.reset();
      const service = await world.process({ ...LEASE, GATEHOUSE_DRAIN_SECONDS: '1' });
      const humans = await Promise.all([LIMITS, LIMITS, LIMITS].map((limits) => world.limitedHuman(limits)));
      const calls = Array.from({ length: 60 }, (_, index) => {
        const stream = index % 2 === 0;
        const pieces = streamPieces({ words: WORDS, usage: usageOf(7, 20) });
        if (index % 5 === 0) world.upstream.next({ kind: 'hang' });
        else if (index % 3 === 0) world.upstream.next({ kind: 'stream', pieces, delayMs: 10 });
        return world.call(service, humans[index % 3]!, { stream });
      });
      // Some calls still wait for admission, some are answered.
      await world.upstream.request(1 + ((repeat * 13) % 50));
      for (const call of calls.slice(0, repeat % 10)) call.hangUp();
      expect(await service.stop()).toMatchObject({ code: 0, stderr: '' });
      await eventually(() => calls.every(({ isOver }) => isOver));
      let recorded = 0;
      for (const human of humans) {
        const rows = await world.ledgerOf(human);
        expect(rows.filter(({ state }) => state !== 'SETTLED')).toEqual([]);
        recorded += rows.length;
        await world.assertExact(human);
      }
      expect(recorded).toBeGreaterThanOrEqual(world.upstream.requests.length);
    }
  },
  inForm(60_000, 1_800_000),
);

it('settles the call of a slow reader who hung up just before, including its unread part', async () => {
  const service = await world.process({ ...LEASE, GATEHOUSE_DRAIN_SECONDS: '60' });
  const human = await world.limitedHuman(LIMITS);
  const words = Array.from({ length: 1000 }, () => 'word '.repeat(20_000));
  world.upstream.next({ kind: 'stream', pieces: streamPieces({ words }) });
  const call = world.call(service, human, { stream: true }, false);
  const request = await world.upstream.request();
  await eventually(async () => {
    const before = request.sent;
    await pause(300);
    return before > 1 && request.sent === before;
  });
  call.hangUp();
  expect(await service.stop()).toMatchObject({ code: 0, stderr: '' });
  expect(await world.ledgerOf(human)).toMatchObject([{ state: 'SETTLED', outcome: 'CLIENT_ABORTED', requests: 1 }]);
  await world.assertExact(human);
});
