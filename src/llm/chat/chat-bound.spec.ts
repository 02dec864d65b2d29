import fc from 'fast-check';
import * as o200k from 'gpt-tokenizer/encoding/o200k_base';
import * as cl100k from 'gpt-tokenizer/encoding/cl100k_base';
import * as p50k from 'gpt-tokenizer/encoding/p50k_base';
import { loadSettings, TOKEN_FAMILIES } from '../../platform/config/index.js';
import { KnownModels, type ModelFacts } from '../models/model-facts.js';
import { parseChatRequest, type ChatRequest } from '../providers/requests/chat-request.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { boundChat, withOutputLimit } from './chat-bound.js';
import { tokensOf } from './prompt-bound.js';
import { boundOf, content, GPT, known, MISTRAL, requestOf, tokenizer } from '../../../test/support/chat-bounds.js';

beforeAll(() => tokenizer.load());

describe('the bound of the output', () => {
  it.each([
    ['the caller’s limit', { max_tokens: 10 }, 10, true],
    ['the caller’s newer limit', { max_completion_tokens: 10 }, 10, true],
    [
      'the larger of two limits, since servers differ in which one they obey',
      { max_tokens: 10, max_completion_tokens: 20 },
      20,
      true,
    ],
    ['the larger of two limits, whichever that is', { max_tokens: 20, max_completion_tokens: 10 }, 20, true],
    ['each answer’s, n times', { max_tokens: 10, n: 3 }, 30, true],
    ['the model’s own where the caller set none', {}, 16_384, true],
    ['the model’s own for each of n answers', { n: 2, max_tokens: null }, 32_768, true],
    [
      'the model’s own where the caller wrote a zero, which some servers read as no limit',
      { max_tokens: 0 },
      16_384,
      true,
    ],
    ['the model’s own where one of two limits is zero', { max_tokens: 0, max_completion_tokens: 5 }, 16_384, true],
  ])('is %s', (_case, body, outputTokens, outputIsBounded) => {
    expect(boundOf(body)).toMatchObject({ outputTokens, outputIsBounded });
  });

  it('is a default that must be written into the body where no limit is known', () => {
    expect(boundOf({ n: 2 }, null)).toMatchObject({ outputTokens: 8_192, outputIsBounded: false, choices: 2 });
    expect(boundOf({ max_tokens: 7 }, null)).toMatchObject({ outputTokens: 7, outputIsBounded: true });
  });

  it("must be written where no server is known to apply the model's own limit", () => {
    const own = new KnownModels(
      loadSettings({ GATEHOUSE_MODELS: '[{"id":"own","context_tokens":9,"max_output_tokens":7}]' }).settings,
    );
    expect(boundOf({ n: 2 }, own.find('own'))).toMatchObject({ outputTokens: 14, outputIsBounded: false });
    expect(boundOf({}, known.find('llama3.1'))).toMatchObject({ outputTokens: 131_072, outputIsBounded: false });
    expect(boundOf({ max_tokens: 5 }, known.find('llama3.1'))).toMatchObject({
      outputTokens: 5,
      outputIsBounded: true,
    });
  });

  it('must be written where the model may ignore the field that the caller used', () => {
    expect(boundOf({ max_completion_tokens: 7 }, MISTRAL)).toMatchObject({ outputTokens: 7, outputIsBounded: false });
    expect(boundOf({ max_completion_tokens: 7 }, null)).toMatchObject({ outputTokens: 7, outputIsBounded: false });
    expect(boundOf({ max_completion_tokens: 7, model: 'gpt-9' }, null)).toMatchObject({ outputIsBounded: true });
    expect(boundOf({ max_tokens: 7 }, MISTRAL)).toMatchObject({ outputIsBounded: true });
  });

  it('stays a number that a ledger can add up, whatever limit the body has', () => {
    expect(boundOf({ max_tokens: Number.MAX_SAFE_INTEGER, n: 128 }).outputTokens).toBe(1_000_000_000);
  });
});

describe('withOutputLimit', () => {
  const written = (body: string, facts: ModelFacts | null): string => {
    const limited = withOutputLimit(requestOf(body), facts, 5);
    expect(limited).toEqual(parseChatRequest(limited.raw));
    expect(boundChat(limited, facts, tokenizer)).toMatchObject({
      outputTokens: 5 * limited.choices,
      outputIsBounded: true,
    });
    return limited.raw.toString();
  };

  it('writes the field that the model accepts, and changes no other byte', () => {
    const body = ' {"model":"m", "seed":12345678901234567890 ,"messages":[{"a":1.0}]}';
    expect(written(body, GPT)).toBe(
      ' {"max_completion_tokens":5,"model":"m", "seed":12345678901234567890 ,"messages":[{"a":1.0}]}',
    );
    expect(written(body, MISTRAL)).toBe(
      ' {"max_tokens":5,"model":"m", "seed":12345678901234567890 ,"messages":[{"a":1.0}]}',
    );
    expect(written(body, null)).toContain('{"max_tokens":5,');
    expect(written(body.replace('"m"', '"o9-mini"'), null)).toContain('{"max_completion_tokens":5,');
  });

  it('writes the field that the caller used, so that a model that refuses both does not get both', () => {
    expect(written('{"model":"m","messages":[{}],"max_tokens":900}', GPT)).toBe(
      '{"model":"m","messages":[{}],"max_tokens":5}',
    );
    expect(written('{"model":"m","max_completion_tokens" : 900,"messages":[{}]}', GPT)).toBe(
      '{"model":"m","max_completion_tokens" : 5,"messages":[{}]}',
    );
  });

  it('writes both where the caller used both, or used the one that the model may ignore', () => {
    const both = '{"model":"m","max_tokens":7,"messages":[{}],"max_completion_tokens":900}';
    for (const facts of [GPT, MISTRAL, null])
      expect(written(both, facts)).toBe('{"model":"m","max_tokens":5,"messages":[{}],"max_completion_tokens":5}');
    expect(written('{"model":"m","max_completion_tokens":9,"messages":[{}]}', MISTRAL)).toBe(
      '{"max_tokens":5,"model":"m","max_completion_tokens":5,"messages":[{}]}',
    );
  });

  it('rejects a limit that some server would read as none', () => {
    for (const limit of [0, -1, 1.5, NaN, Infinity])
      expect(() => withOutputLimit(requestOf({}), GPT, limit)).toThrow(RangeError);
  });
});

/** Texts of every kind that tokenizers handle badly. */
const word = fc.constantFrom(
  ...[
    'hello',
    ' strlen',
    ' հնարավորություն',
    ' მნიშვნელოვანია',
    'ကမ္ဘာ',
    'ᚠᛇᚻ',
    '𓀀𓂀',
    '汉字',
    'こんにちは',
    '안녕',
    'שלום',
    'ﷺ',
    '□□□□',
    'é',
  ],
  ...[
    '👩‍👩‍👧',
    '😀',
    '\u0000',
    '\u0007\u001b',
    '\r\n',
    '\t\t',
    ' '.repeat(100),
    '\n'.repeat(30),
    '0123456789',
    '9'.repeat(64),
    'zqxjkvbw',
  ],
  ...[
    '{"a":[1,2,{"b":null}]}',
    '<|endoftext|>',
    '<|im_start|>',
    '=====',
    'AAAAAAAA',
    'QmFzZTY0IQ==',
    'Z̷͑a̸lgo',
    '\ufffd',
    '\ue000',
    'function f(){return x=>x*2}',
  ],
);
const text = fc.oneof(
  fc.array(word, { maxLength: 40 }).map((words) => words.join('')),
  fc.tuple(word, fc.nat(200)).map(([unit, times]) => unit.repeat(times)),
  fc.string({ unit: 'grapheme', maxLength: 500 }),
  fc.string({ unit: 'binary', maxLength: 500 }),
  fc.base64String({ maxLength: 2000 }),
  fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 600 }).map((digits) => digits.join('')),
);
const AS_TEXT = { disallowedSpecial: new Set<string>() };

describe('the bound of a text', () => {
  it("is never below o200k's count, and not far above for ordinary text", () => {
    fc.assert(
      fc.property(text, (said) => {
        expect(o200k.countTokens(said, AS_TEXT)).toBeLessThanOrEqual(tokensOf(said, 'o200k', tokenizer));
      }),
      { numRuns: 500 },
    );
    const prose =
      'The lighthouse keeper counts the ships that pass, and writes each one down before the lamp turns. '.repeat(20);
    expect(tokensOf(prose, 'o200k', tokenizer)).toBeLessThan(1.25 * o200k.countTokens(prose));
  });

  it.each([
    ['cl100k', cl100k],
    ['p50k', p50k],
  ])('of any other family is never below what %s counts', (_name, encoding) => {
    fc.assert(
      fc.property(text, (said) => {
        const tokens = encoding.countTokens(said, AS_TEXT);
        for (const family of TOKEN_FAMILIES.filter((one) => one !== 'o200k')) {
          expect(tokensOf(said, family, tokenizer)).toBeGreaterThanOrEqual(tokens);
        }
      }),
    );
  });

  it('holds before the vocabulary is loaded, and past the length that is counted', () => {
    const cheapThenDear = ' '.repeat(40_000) + '𓀀'.repeat(20_000);
    expect(tokensOf('𓀀𓂀', 'o200k', new Tokenizer())).toBe(8);
    expect(tokensOf(cheapThenDear, 'o200k', tokenizer)).toBeGreaterThanOrEqual(80_000);
  });
});

describe('the bound of a prompt', () => {
  it('is never below its texts, each counted by itself, with the framing of OpenAI’s format', () => {
    const message = fc.record({
      role: fc.constantFrom('user', 'system'),
      content: fc.oneof(text, fc.array(fc.record({ type: fc.constant('text'), text }), { maxLength: 3 })),
    });
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), (messages) => {
        const texts = messages.flatMap((one) => [one.role, ...[one.content].flat()]);
        const counted = texts.map((one) => o200k.countTokens(typeof one === 'string' ? one : one.text, AS_TEXT));
        const tokens = counted.reduce((sum, count) => sum + count, 3 + 3 * messages.length);
        for (const facts of [GPT, MISTRAL, null])
          expect(boundOf({ messages }, facts).inputTokens).toBeGreaterThanOrEqual(tokens);
      }),
      { numRuns: 200 },
    );
  });

  it('counts everything that a server might show the model, anywhere in the request', () => {
    const long = '𓀀'.repeat(500);
    const call = { id: 'x', type: 'function', function: { name: 'f', arguments: long } };
    const parameters = { type: 'object', properties: { a: { enum: [long] } } };
    for (const body of [
      { messages: [{ role: 'user', content: long }] },
      { messages: [{ role: 'user', content: [{ type: 'text', text: long }] }] },
      { messages: [{ role: 'user', content: [long] }] },
      { messages: [{ role: 'user', name: long, content: '' }] },
      { messages: [{ role: long, content: '' }] },
      { messages: [{ role: 'assistant', content: null, tool_calls: [call] }] },
      { messages: [{ role: 'assistant', reasoning_content: long }] },
      { messages: [{ role: 'assistant', future: { a: [{ [long]: 1 }] } }] },
      { tools: [{ type: 'function', function: { name: 'f', parameters } }] },
      { functions: [{ name: 'f', parameters }] },
      { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: parameters } } },
      { documents: [{ title: 'a', text: long }] },
      { chat_template_kwargs: { [long]: 1 } },
    ]) {
      for (const facts of [GPT, MISTRAL, null]) {
        const { inputTokens, boundless } = boundOf(body, facts);
        expect(inputTokens).toBeGreaterThan(o200k.countTokens(long));
        expect(boundless).toBeNull();
      }
    }
  });

  it('holds for tools that a template indents', () => {
    let nested: unknown = 0;
    for (let depth = 0; depth < 50; depth += 1) nested = { a: nested, b: [1, 2, 3] };
    const tools = [{ type: 'function', function: { name: 'f', parameters: nested } }];
    const indented = JSON.stringify(tools, null, 4);
    expect(boundOf({ tools }, MISTRAL).inputTokens).toBeGreaterThan(Buffer.byteLength(indented));
    expect(boundOf({ tools }).inputTokens).toBeGreaterThan(o200k.countTokens(indented));
  });

  it('counts an image by itself, and not by the length of its base64', () => {
    const image = (url: string, detail?: string): object => content({ type: 'image_url', image_url: { url, detail } });
    const base = boundOf({ messages: [{ role: 'user', content: [] }] }).inputTokens;
    const most = (body: object, facts: ModelFacts | null): number => boundOf(body, facts).inputTokens;
    expect(most(image(`data:image/png;base64,${'A'.repeat(100_000)}`), GPT)).toBe(
      most(image('data:image/png;base64,A'), GPT),
    );
    expect(most(image('https://example.com/a.png'), GPT) - base).toBeGreaterThanOrEqual(85 + 8 * 170);
    expect(most(image('https://example.com/a.png', 'high'), GPT) - base).toBeLessThan(1_500);
    expect(most(image('https://example.com/a.png', 'low'), GPT) - base).toBeGreaterThanOrEqual(85);
    expect(most(image('https://example.com/a.png', 'low'), GPT) - base).toBeLessThan(150);
    expect(most(image('https://example.com/a.png', 'original'), GPT) - base).toBeGreaterThanOrEqual(50_000);
    const mini = known.find('gpt-4o-mini')!;
    expect(most(image('https://example.com/a.png'), mini) - base).toBeGreaterThanOrEqual(2_833 + 8 * 5_667);
    // Only OpenAI's models are known to count less for low detail.
    for (const facts of [MISTRAL, null])
      expect(most(image('https://example.com/a.png', 'low'), facts)).toBeGreaterThan(50_000);
    expect(most(image('https://example.com/a.png'), known.find('claude-opus-5-5'))).toBeLessThan(6_000);
    expect(most(content({ type: 'image_url', image_url: 'https://example.com/a.png' }), null)).toBeGreaterThan(50_000);
  });
});

describe('the bound of many long texts', () => {
  const texts = Array.from({ length: 200 }, (_, at) => `${at} ${'word '.repeat(1_000)}`);
  const ofMany = (given: readonly string[]): ChatRequest =>
    requestOf({ messages: given.map((text) => ({ role: 'user', content: text })) });

  it('counts up to a number of tokens over all of them, and then bytes', () => {
    let counted = 0;
    const counting = {
      atMost(text: string): number {
        counted += 1;
        return tokenizer.atMost(text);
      },
    };
    const { inputTokens } = boundChat(ofMany(texts), GPT, counting);
    // The short texts count as one, and each long one has about a thousand tokens.
    expect(counted).toBeGreaterThan(20);
    expect(counted).toBeLessThan(40);
    expect(inputTokens).toBeGreaterThan(texts.reduce((sum, text) => sum + o200k.countTokens(text), 0));
    expect(inputTokens).toBeLessThan(texts.join('').length + 200 * 32);
  });

  it('is never below what a tokenizer that folds them could count', () => {
    const folding = Array.from({ length: 100 }, (_, at) => `${at}${'\ufb03'.repeat(8_000)}`);
    const folded = folding.reduce((sum, text) => sum + Buffer.byteLength(text.normalize('NFKC')), 0);
    expect(
      boundOf({ messages: folding.map((text) => ({ role: 'user', content: text })) }, null).inputTokens,
    ).toBeGreaterThan(folded);
  });
});
