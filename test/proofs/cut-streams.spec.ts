/**
 * The stream of every translated kind, cut at any byte. Split in two, it has the same content. Ended before its end mark, it is
 * reported as broken, and the text so far is charged. A slow reader slows its provider down.
 */
import { stageOf } from '../support/kind-stage.js';
import { TRANSLATED, type Kind, type Said } from '../support/kinds.js';
import { inForm } from '../support/proof-form.js';
import type { Asked } from '../support/recorded-sink.js';
import { ReplayedHttp, type Replay } from '../support/replayed-http.js';
import { WEATHER } from '../support/translated.js';

/** Every byte, or one of several. */
const STEP = inForm(11, 1);
const SAID: Said = {
  thinking: 'Hm – gut.',
  text: 'Grüße, 東京 🙂!',
  calls: [{ id: 'call_1', input: { city: 'Zürich' } }],
};
/** The first bytes of the mark that ends a stream. */
const END_MARKS: Readonly<Record<string, string>> = {
  anthropic: '{"type":"message_stop"',
  google: '"finishReason"',
  amazon_bedrock: 'messageStop',
  cohere: '{"type":"message-end"',
};
const MEGABYTE = 1024 * 1024;

describe.each(TRANSLATED)('the stream of $kind', (kind) => {
  const at = stageOf(kind);

  /** Streams of the stand-in's answer, whose bytes arrive as each call chooses. */
  function streams(): (replay: (bytes: Buffer) => Replay) => Promise<Asked> {
    const http = new ReplayedHttp(kind.says(SAID));
    const provider = at.another({}, { http });
    return (replay) => {
      http.replay = replay;
      return at.ask({ stream: true, tools: [WEATHER] }, provider);
    };
  }

  it('has the same content, wherever it is split in two', async () => {
    const ask = streams();
    let bytes = Buffer.alloc(0);
    const { sink } = await ask((all) => ({ chunks: [(bytes = Buffer.from(all))] }));
    const { message } = sink;
    expect(message).toMatchObject({ content: SAID.text, reasoning_content: SAID.thinking, finish: 'tool_calls' });
    expect(message.tool_calls).toMatchObject([{ name: 'get_weather', arguments: '{"city":"Zürich"}' }]);
    for (let place = 1; place < bytes.length; place += STEP) {
      const cut = await ask((all) => ({ chunks: [all.subarray(0, place), all.subarray(place)] }));
      expect({ place, ended: cut.sink.ended, message: withoutIds(cut) }).toEqual({
        ...{ place, ended: true, message: withoutIds({ sink }) },
      });
      expect(cut.attempt.usage().estimated).toBe(false);
    }
  });

  it('that ends at any byte before its end mark is reported as broken, and its text so far is charged', async () => {
    const ask = streams();
    let end = 0;
    await ask((all) => ({ chunks: [all.subarray(0, (end = endOf(kind, all)))] }));
    let [said, broken] = [0, 0];
    for (let place = 0; place < end; place += STEP) {
      const { sink, attempt } = await ask((all) => ({ chunks: [all.subarray(0, place)], breaks: place % 2 === 0 }));
      expect({ place, ended: sink.ended, ...sink.told }).toMatchObject({
        ...{ place, ended: false, outcome: 'UPSTREAM_BROKEN', status: 502, code: 'upstream_broken' },
      });
      broken += 1;
      const { inputTokens, outputTokens, estimated } = attempt.usage();
      expect([place, estimated, inputTokens > 0]).toEqual([place, true, true]);
      const { content, reasoning_content: thought, tool_calls: calls } = sink.message;
      if (content === undefined && thought === undefined && calls === undefined) continue;
      said += 1;
      expect([place, outputTokens > 0]).toEqual([place, true]);
    }
    expect(said).toBeGreaterThan(broken / 4);
  });

  it('of 10 MB reaches a slow reader complete, with less than 1 MB buffered at any time', async () => {
    const text = Array.from({ length: 10 * 64 }, (_, index) => String(index).padEnd(16 * 1024, 'word ')).join('');
    const http = new ReplayedHttp(kind.says({ text, pieceLength: 16 * 1024 }));
    http.replay = (bytes) => ({ chunks: inChunks(bytes, 32 * 1024) });
    const { sink, attempt } = at.begin({ stream: true }, at.another({}, { http }));
    let most = 0;
    sink.onPiece = () => {
      most = Math.max(most, http.given - sink.events.length);
      attempt.pause();
      setImmediate(() => setImmediate(() => attempt.resume()));
    };
    await sink.over;
    expect(sink.told).toEqual({});
    expect(sink.message.content === text).toBe(true);
    expect(http.given).toBeGreaterThan(10 * MEGABYTE);
    expect(most).toBeLessThan(MEGABYTE);
    // The reader slowed it down: it arrived in many pieces.
    expect(sink.writes).toBeGreaterThan(10);
  });
});

/** Google's calls get a new id of ours in each answer. */
function withoutIds({ sink }: Pick<Asked, 'sink'>): object {
  const { tool_calls: calls = [], ...message } = sink.message;
  return { ...message, calls: calls.map(({ name, arguments: said }) => ({ name, said })) };
}

function endOf({ kind }: Kind, bytes: Buffer): number {
  const end = bytes.lastIndexOf(END_MARKS[kind]!);
  if (end === -1) throw new Error(`A stream of ${kind} has no end mark.`);
  return end;
}

function* inChunks(bytes: Buffer, length: number): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += length) yield bytes.subarray(start, start + length);
}
