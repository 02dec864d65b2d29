/**
 * Callers that hang up. Each has one record, charged to the human within 5 % of what the upstream had sent, and never 0 once it
 * had sent something. The provider never reports usage: the stand-in knows the true amount.
 */
import { mixedText, spoken, type Spoken } from '../support/chaos-text.js';
import {
  ChaosWorld,
  measured,
  type ChaosProcess,
  type LedgerEntry,
  type LimitedHuman,
} from '../support/chaos-world.js';
import { eventually, pause } from '../support/eventually.js';
import { completion, streamPieces, usageOf } from '../support/openai-upstream.js';
import { inForm } from '../support/proof-form.js';

let world: ChaosWorld;
let service: ChaosProcess;

beforeAll(async () => {
  world = await ChaosWorld.start();
  service = await world.process();
});

afterAll(() => world.stop());
beforeEach(() => world.upstream.reset());

const LIMITS = { request_cnt: 10, token_cnt: 10_000_000 };
const SAID = spoken(mixedText(1000));
const REPEATS = inForm(1, 20);
const eachRepeat = Array.from({ length: REPEATS }, (_, index) => index + 1);

/** The tokens of a stream's first pieces; the very first has none. */
const tokensIn = (said: readonly Spoken[], pieces: number): number => said[pieces - 2]?.tokens ?? 0;

const piecesOf = (said: readonly Spoken[]): object[] => streamPieces({ words: said.map(({ word }) => word) });

/** The difference between the one record and what was sent, as a share of the latter. */
async function errorOf(human: LimitedHuman, sentTokens: number): Promise<number> {
  const row = await onlyRow(human);
  expect(row).toMatchObject({ state: 'SETTLED', outcome: 'CLIENT_ABORTED', requests: 1, estimated: true });
  expect(row.input_tokens).toBeGreaterThan(0);
  await world.assertExact(human);
  if (sentTokens === 0) return row.output_tokens;
  expect(row.output_tokens).toBeGreaterThan(0);
  return Math.abs(row.output_tokens - sentTokens) / sentTokens;
}

async function onlyRow(human: LimitedHuman): Promise<LedgerEntry> {
  await eventually(async () => (await world.idle(human)).length > 0);
  const rows = await world.idle(human);
  expect(rows).toHaveLength(1);
  return rows[0]!;
}

/** Hangs up once the upstream has sent this share of its answer and waits. */
async function hangUpAt(share: number, said: readonly Spoken[]): Promise<number> {
  const human = await world.limitedHuman(LIMITS);
  const pieces = 1 + Math.round(share * said.length);
  world.upstream.next({ kind: 'stream', pieces: piecesOf(said), stallAfter: pieces });
  const call = world.call(service, human, { stream: true });
  await call.eventsCame(pieces);
  call.hangUp();
  return errorOf(human, tokensIn(said, pieces));
}

describe('a caller that hangs up', () => {
  it.each([0, 0.1, 0.5, 0.9])('at %d of a stream is charged what the upstream had sent', async (share) => {
    const errors: number[] = [];
    for (const _ of eachRepeat) errors.push(await hangUpAt(share, SAID));
    measured(`hang-up at ${share} of ${SAID.at(-1)!.tokens} tokens, largest error`, Math.max(...errors));
    expect(Math.max(...errors)).toBeLessThanOrEqual(0.05);
  });

  it('at half of a long stream is charged what the upstream had sent', async () => {
    const long = spoken(mixedText(inForm(8000, 40_000)));
    const errors = [await hangUpAt(0.5, long), await hangUpAt(0.9, long)];
    measured(`hang-up at half and 0.9 of ${long.at(-1)!.tokens} tokens, largest error`, Math.max(...errors));
    expect(Math.max(...errors)).toBeLessThanOrEqual(0.05);
  });

  it('while the upstream keeps sending is charged what it had sent when it noticed', async () => {
    const errors: number[] = [];
    for (const _ of eachRepeat) {
      world.upstream.reset();
      // The slower the stream, the fewer pieces are on their way at the moment of the cut.
      const cuts = [
        { share: 0.1, delayMs: 10 },
        { share: 0.5, delayMs: 2 },
        { share: 0.9, delayMs: 2 },
      ];
      for (const [index, { share, delayMs }] of cuts.entries()) {
        const human = await world.limitedHuman(LIMITS);
        world.upstream.next({ kind: 'stream', pieces: piecesOf(SAID), delayMs });
        const call = world.call(service, human, { stream: true });
        await call.eventsCame(share * SAID.length);
        call.hangUp();
        await world.upstream.abort(index + 1);
        errors.push(await errorOf(human, tokensIn(SAID, world.upstream.requests[index]!.sent)));
      }
    }
    measured('hang-up while the upstream goes on, largest error', Math.max(...errors));
    expect(Math.max(...errors)).toBeLessThanOrEqual(0.05);
  });

  it('after reading slowly, so that the upstream had to wait, is charged what the upstream had sent', async () => {
    // A stream of this size takes the time of a few words of a model.
    const said = spoken(mixedText(20_000));
    const text = said.map(({ word }) => word).join('');
    const tokens = said.at(-1)!.tokens;
    const errors: number[] = [];
    for (const _ of eachRepeat) {
      world.upstream.reset();
      const human = await world.limitedHuman(LIMITS);
      const words = Array.from({ length: 2000 }, () => text);
      world.upstream.next({ kind: 'stream', pieces: streamPieces({ words }), delayMs: 2 });
      const call = world.call(service, human, { stream: true }, false);
      const request = await world.upstream.request();
      // The upstream waits once nothing leaves any more.
      await eventually(async () => {
        const before = request.sent;
        await pause(300);
        return before > 1 && request.sent === before;
      });
      call.hangUp();
      await world.upstream.abort();
      errors.push(await errorOf(human, (request.sent - 1) * tokens));
    }
    measured('hang-up of a slow reader, largest error', Math.max(...errors));
    expect(Math.max(...errors)).toBeLessThanOrEqual(0.05);
  });

  it.each(['before', 'amid'])('%s an answer that is not streamed is charged what the answer reports', async (when) => {
    const human = await world.limitedHuman(LIMITS);
    const body = JSON.stringify(completion({ usage: usageOf(7, 20) }));
    let goOn: () => void = () => undefined;
    const rest = new Promise<string>((resolve) => (goOn = () => resolve(body.slice(100))));
    world.upstream.next({
      kind: 'stream',
      headers: { 'content-type': 'application/json' },
      pieces: [body.slice(0, 100), rest],
      done: false,
      ...(when === 'before' ? { after: rest } : {}),
    });
    const call = world.call(service, human);
    await eventually(
      () => world.upstream.requests[0] !== undefined && (when === 'before' || world.upstream.requests[0].sent === 1),
    );
    call.hangUp();
    // Data that was sent earlier is read before later data, and the later call was read.
    await world.call(service, human, { model: '' }).over();
    goOn();
    expect(await onlyRow(human)).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      requests: 1,
      input_tokens: 7,
      output_tokens: 20,
      estimated: false,
    });
    await world.assertExact(human);
  });
});
