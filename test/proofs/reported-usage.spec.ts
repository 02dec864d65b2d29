/**
 * The usage that the upstream reports: none or zero (counted here, and marked), the same twice, or two different values
 * (counted once). In every case the human's limits are charged what the ledger says.
 */
import { ChaosWorld, type ChaosProcess, type LedgerEntry } from '../support/chaos-world.js';
import { spoken } from '../support/chaos-text.js';
import { completion, streamPieces, usageChunk, usageOf, type UpstreamAnswer } from '../support/openai-upstream.js';

let world: ChaosWorld;
let service: ChaosProcess;

beforeAll(async () => {
  world = await ChaosWorld.start();
  service = await world.process();
});

afterAll(() => world.stop());
beforeEach(() => world.upstream.reset());

const TEXT = 'The lighthouse keeper counts the ships that pass, and writes each one down before the lamp turns again.';
const SAID = spoken(TEXT);
const WORDS = SAID.map(({ word }) => word);
const LIMITS = { request_cnt: 10, token_cnt: 100_000 };

/** The record of a call that was answered so, after checking that the human's limits agree with it. */
async function recordOf(answer: UpstreamAnswer, fields: object): Promise<LedgerEntry> {
  const human = await world.limitedHuman(LIMITS);
  world.upstream.next(answer);
  const call = await world.call(service, human, fields).over();
  expect([call.status, call.whole]).toEqual([200, true]);
  const rows = await world.idle(human);
  expect(rows).toHaveLength(1);
  await world.assertExact(human);
  return rows[0]!;
}

const streamOf = (...usage: object[]): UpstreamAnswer => ({
  kind: 'stream',
  pieces: [...streamPieces({ words: WORDS }), ...usage],
});

describe.each([
  ['a stream', { stream: true }],
  ['a stream whose caller asks for usage too', { stream: true, stream_options: { include_usage: true } }],
])('%s', (_name, fields) => {
  it.each([[], [usageOf(0, 0)]])('with the report %j is counted here, and marked as estimated', async (...reports) => {
    const row = await recordOf(streamOf(...reports.map((usage) => usageChunk(usage))), fields);
    expect(row).toMatchObject({ outcome: 'OK', requests: 1, output_tokens: SAID.length, estimated: true });
    expect(row.input_tokens).toBeGreaterThan(0);
  });

  it.each([
    ['its usage once', [usageOf(7, 20)], [7, 20]],
    ['the same twice', [usageOf(7, 20), usageOf(7, 20)], [7, 20]],
    ['more the second time', [usageOf(7, 10), usageOf(7, 20)], [7, 20]],
    ['less the second time', [usageOf(7, 20), usageOf(5, 4)], [7, 20]],
    ['zero the second time', [usageOf(7, 20), usageOf(0, 0)], [7, 20]],
  ])(
    'for which the upstream reports %s is charged the largest of each count, once',
    async (_what, reports, [input, output]) => {
      const row = await recordOf(streamOf(...reports.map((usage) => usageChunk(usage))), fields);
      expect(row).toMatchObject({ outcome: 'OK', requests: 1, estimated: false });
      expect([row.input_tokens, row.output_tokens]).toEqual([input, output]);
    },
  );

  it('whose upstream reports with every chunk is charged its largest report, once', async () => {
    const pieces = streamPieces({ words: WORDS }).map((chunk, index) => ({ ...chunk, usage: usageOf(7, index) }));
    const row = await recordOf({ kind: 'stream', pieces }, fields);
    expect(row).toMatchObject({ input_tokens: 7, output_tokens: pieces.length - 1, requests: 1, estimated: false });
  });
});

describe('an answer that is not streamed', () => {
  it.each([null, usageOf(0, 0)])('with the report %j is counted here, and marked as estimated', async (usage) => {
    const row = await recordOf({ kind: 'body', body: completion({ words: WORDS, usage }) }, {});
    expect(row).toMatchObject({ outcome: 'OK', requests: 1, output_tokens: SAID.length, estimated: true });
    expect(row.input_tokens).toBeGreaterThan(0);
  });

  it('for which the upstream reports its usage is charged that', async () => {
    const row = await recordOf({ kind: 'body', body: completion({ words: WORDS, usage: usageOf(7, 20) }) }, {});
    expect(row).toMatchObject({ outcome: 'OK', requests: 1, estimated: false });
    expect([row.input_tokens, row.output_tokens]).toEqual([7, 20]);
  });

  it('for which the upstream reports twice is charged the last report, once', async () => {
    const text = JSON.stringify(completion({ words: WORDS, usage: usageOf(7, 20) }));
    const body = text.replace('"usage":', `"usage":${JSON.stringify(usageOf(5, 4))},"usage":`);
    const row = await recordOf({ kind: 'body', body }, {});
    expect(row).toMatchObject({ input_tokens: 7, output_tokens: 20, requests: 1, estimated: false });
  });
});
