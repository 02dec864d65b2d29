import fc from 'fast-check';
import { completion } from '../../../../test/support/openai-upstream.js';
import { Tokenizer } from '../../tokens/tokenizer.js';
import { estimateAnswerTokens, estimatePartTokens, ProducedText } from './produced-text.js';
import { RESPONSES_READER } from './responses-reader.js';

const tokenizer = new Tokenizer();

beforeAll(() => tokenizer.load());

describe('a field that OpenAI does not have', () => {
  const THOUGHT = 'The harbour master would know which ship that was.';
  const of = (fields: object): number =>
    estimateAnswerTokens(tokenizer, { choices: [{ message: { role: 'assistant', content: 'Aye.', ...fields } }] });

  it.each<[string, object]>([
    ['as a text', { thoughts: THOUGHT }],
    ['in parts', { thought_blocks: [{ type: 'thinking', thinking: THOUGHT }] }],
  ])('is counted %s', (_form, fields) => {
    expect(of(fields)).toBe(of({ reasoning: THOUGHT }));
    expect(of(fields)).toBeGreaterThan(of({}));
  });

  it('is counted in a stream', () => {
    const streamed = (delta: object): number =>
      ProducedText.of(Buffer.from(`data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`)).estimateTokens(
        tokenizer,
      );
    expect(streamed({ thoughts: THOUGHT })).toBe(streamed({ content: THOUGHT }));
  });

  it('counts once what it says again', () => {
    expect(of({ reasoning_content: THOUGHT, thinking_blocks: [{ thinking: THOUGHT }] })).toBe(
      of({ reasoning: THOUGHT }),
    );
  });

  it('counts nothing where it names or frames the answer', () => {
    const frame = {
      id: THOUGHT,
      thought_signature: THOUGHT,
      encrypted_thoughts: THOUGHT,
      annotations: [{ text: THOUGHT }],
    };
    expect(of(frame)).toBe(of({}));
  });
});

describe('estimatePartTokens', () => {
  it('counts the whole of an answer as one that came whole', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (text) => {
        const answer = completion({ words: [text], usage: null });
        expect(estimatePartTokens(tokenizer, JSON.stringify(answer))).toBe(
          estimateAnswerTokens(tokenizer, answer as Readonly<Record<string, unknown>>),
        );
      }),
    );
  });

  it('counts what stands in the part, wherever that was cut, within an escape too', () => {
    const said = 'He said: "no\\yes"\n\u0007, and "content":"x" \ud83d\ude00 was it.';
    const whole = JSON.stringify(completion({ words: [said], usage: null }));
    const start = whole.indexOf('"content":"') + '"content":"'.length;
    let last = 0;
    for (let end = start; end <= whole.length; end += 1) {
      const tokens = estimatePartTokens(tokenizer, whole.slice(0, end));
      // A word that is cut off may be two tokens where it becomes one.
      expect(tokens).toBeGreaterThanOrEqual(last - 2);
      last = tokens;
    }
    expect(last).toBe(tokenizer.count(said));
    expect(estimatePartTokens(tokenizer, whole.slice(0, start))).toBe(0);
  });

  it('counts calls of tools, and nothing that frames them', () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'area', arguments: '{"w":3,"h":4}' } };
    const part = JSON.stringify({ choices: [{ message: { role: 'assistant', content: null, tool_calls: [call] } }] });
    expect(estimatePartTokens(tokenizer, part.slice(0, -5))).toBe(tokenizer.count('area\n{"w":3,"h":4}'));
  });
});

describe('what a stream has said', () => {
  const words = 'word hello '.repeat(60_000);
  const event = Buffer.from(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: words } }] })}\n\n`);

  it('is counted in an event that was too long to be read whole, from its beginning', () => {
    const produced = new ProducedText();
    // As it came: in pieces, of which the first ones are kept.
    for (let at = 0; at < event.length; at += 65_536) produced.add(event.subarray(at, at + 65_536));
    const tokens = tokenizer.count(words);
    expect(produced.estimateTokens(tokenizer)).toBeGreaterThan(tokens * 0.98);
    expect(produced.estimateTokens(tokenizer)).toBeLessThan(tokens * 1.02);
  });

  it('is counted in an event that was broken off', () => {
    const part = event.subarray(0, 200);
    const said = part.toString().slice(part.indexOf('word'));
    expect(ProducedText.of(part).estimateTokens(tokenizer)).toBe(tokenizer.count(said));
  });

  it('is counted in a long event of the Responses API', () => {
    const sent = { type: 'response.output_text.delta', sequence_number: 1, delta: words };
    const part = Buffer.from(`event: ${sent.type}\ndata: ${JSON.stringify(sent)}\n\n`).subarray(0, -100);
    expect(RESPONSES_READER.estimatePart(tokenizer, part, true)).toBeGreaterThan(tokenizer.count(words) * 0.98);
  });
});
