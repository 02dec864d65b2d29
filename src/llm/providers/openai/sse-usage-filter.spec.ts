import fc from 'fast-check';
import { eventOf, streamPieces, usageChunk, usageOf } from '../../../../test/support/openai-upstream.js';
import { SseUsageFilter } from './sse-usage-filter.js';

/** Cuts bytes at the given places. */
function cutUp(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set([0, ...places.map((place) => place % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
}

function run(filter: SseUsageFilter, buffers: readonly Buffer[]): string {
  const passed = buffers.map((buffer) => filter.push(buffer));
  return Buffer.concat([...passed, filter.end()]).toString('utf8');
}

const lineEnd = fc.constantFrom('\n', '\r\n');

/** An event that must go through: content that looks like usage, usage beside choices, comments, other fields, no JSON. */
const ordinaryEvent = fc.oneof(
  fc
    .string({ unit: 'grapheme', maxLength: 40 })
    .map((content) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}`),
  fc.constantFrom(
    'data: {"choices":[{"delta":{"content":"_tokens"}}],"usage":null}',
    'data: {"choices":[{"delta":{"content":"\\"usage\\":{\\"prompt_tokens\\":1}"}}]}',
    'data: {"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
    'data: {"choices":[],"prompt_filter_results":[]}',
    'data: {"x_tokens":1}',
    ': keep-alive',
    'event: ping\ndata: {}',
    'data: {"broken_tokens":',
    'data: [DONE]',
  ),
);

const usageEvent = fc.constantFrom(
  'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}',
  'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}',
  'event: message\ndata:{"usage":{"completion_tokens":4,"prompt_tokens":3},"choices":[]}',
);

interface Piece {
  readonly text: string;
  readonly usage: boolean;
}

const stream = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 4, arbitrary: ordinaryEvent.map((text): Piece => ({ text, usage: false })) },
        { weight: 1, arbitrary: usageEvent.map((text): Piece => ({ text, usage: true })) },
      ),
      { maxLength: 12 },
    ),
    lineEnd,
    fc.boolean(),
  )
  .map(([pieces, end, whole]) => {
    const render = ({ text }: Piece): string => text.replaceAll('\n', end) + end + end;
    const rest = whole ? '' : 'data: {"choices":[{"delta"';
    return {
      bytes: Buffer.from(pieces.map(render).join('') + rest),
      without:
        pieces
          .filter(({ usage }) => !usage)
          .map(render)
          .join('') + rest,
      reported: pieces.some(({ text, usage }) => usage || text.includes('"completion_tokens":2')),
    };
  });

const places = fc.array(fc.nat(2000), { maxLength: 30 });

describe('SseUsageFilter', () => {
  it('gives the input less its usage chunks, whatever way it is cut', () => {
    fc.assert(
      fc.property(stream, places, ({ bytes, without, reported }, cuts) => {
        const filter = new SseUsageFilter(true);
        expect(run(filter, cutUp(bytes, cuts))).toBe(without);
        expect(filter.usage !== null).toBe(reported);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives every byte of the input where the caller asked for usage, and reads it anyway', () => {
    fc.assert(
      fc.property(stream, places, ({ bytes, reported }, cuts) => {
        const filter = new SseUsageFilter(false);
        expect(run(filter, cutUp(bytes, cuts))).toBe(bytes.toString('utf8'));
        expect(filter.usage !== null).toBe(reported);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives the same for bytes that come one at a time', () => {
    const pieces = streamPieces({ words: ['héllo', ' wörld 😀'], usage: usageOf(3, 4) });
    const bytes = Buffer.from(pieces.map(eventOf).join(''));
    const filter = new SseUsageFilter(true);
    const passed = run(
      filter,
      [...bytes].map((byte) => Buffer.from([byte])),
    );
    expect(passed).toBe(pieces.slice(0, -1).map(eventOf).join(''));
    expect(filter.usage).toMatchObject({ inputTokens: 3, cachedInputTokens: 0, outputTokens: 4 });
  });

  it('passes an event on as soon as it is whole, and nothing of one that is not', () => {
    const filter = new SseUsageFilter(true);
    expect(filter.push(Buffer.from('data: {"choices":[1]}\n\ndata: {"cho')).toString()).toBe(
      'data: {"choices":[1]}\n\n',
    );
    expect(filter.push(Buffer.from('ices":[2]}\n')).length).toBe(0);
    expect(filter.push(Buffer.from('\n')).toString()).toBe('data: {"choices":[2]}\n\n');
  });

  it('hands on the same buffer that came, where it changes nothing', () => {
    const chunk = Buffer.from(eventOf({ choices: [{ delta: { content: 'x' } }], usage: null }));
    expect(new SseUsageFilter(true).push(chunk)).toBe(chunk);
  });

  it('keeps the largest of several reports, whatever zeros come after it', () => {
    const filter = new SseUsageFilter(true);
    filter.push(Buffer.from(eventOf(usageChunk(usageOf(5, 6))) + eventOf(usageChunk(usageOf(0, 0)))));
    expect(filter.usage).toMatchObject({ inputTokens: 5, cachedInputTokens: 0, outputTokens: 6 });
  });

  it('counts usage once where each chunk reports it anew, as a sum so far: the last report is the call’s', () => {
    const filter = new SseUsageFilter(true);
    const chunks = [1, 2, 3].map((tokens) => ({
      choices: [{ delta: { content: 'x' } }],
      usage: { ...usageOf(9, tokens), prompt_tokens_details: { cached_tokens: 8 } },
    }));
    const text = chunks.map(eventOf).join('') + eventOf('[DONE]');
    expect(run(filter, cutUp(Buffer.from(text), [7, 100, 200]))).toBe(text);
    expect(filter.usage).toMatchObject({ inputTokens: 9, cachedInputTokens: 8, outputTokens: 3 });
  });

  it('does not keep an event of any length back: a long one goes through as it comes, and the next are read again', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(700_000), { maxLength: 12 }), lineEnd, (cuts, end) => {
        const long = `data: {"choices":[{"delta":{"content":"${'x'.repeat(600_000)}"}}]}${end}${end}`;
        const usage = `data: {"choices":[],"usage":{"prompt_tokens":3}}${end}${end}`;
        const bytes = Buffer.from(usage + long + usage + long);
        const filter = new SseUsageFilter(true);
        let most = 0;
        let read = 0;
        let written = 0;
        const passed = cutUp(bytes, cuts).map((buffer) => {
          const out = filter.push(buffer);
          read += buffer.length;
          written += out.length;
          most = Math.max(most, read - written);
          return out;
        });
        expect(Buffer.concat([...passed, filter.end()]).toString()).toBe(long + long);
        expect(most).toBeLessThan(256 * 1024 + 2 * usage.length + 4);
      }),
      { numRuns: 30 },
    );
  });
});
