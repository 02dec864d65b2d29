import fc from 'fast-check';
import type { TokenCounts } from '../provider.js';
import { largestOf, readUsage } from './openai-usage.js';

const countsOf = (inputTokens: number, outputTokens: number, others: Partial<TokenCounts> = {}): TokenCounts => ({
  inputTokens,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens,
  reasoningTokens: 0,
  ...others,
});

describe('readUsage', () => {
  it('reads what was used, and what of it came out of the cache', () => {
    const usage = {
      prompt_tokens: 9,
      completion_tokens: 4,
      total_tokens: 13,
      prompt_tokens_details: { cached_tokens: 6 },
    };
    expect(readUsage(usage)).toEqual(countsOf(9, 4, { cachedInputTokens: 6 }));
  });

  it.each<[string, unknown]>([
    ['no details', undefined],
    ['null', null],
    ['an empty object', {}],
    ['null inside', { cached_tokens: null }],
    ['a text', { cached_tokens: '6' }],
    ['a negative number', { cached_tokens: -6 }],
    ['a fraction', { cached_tokens: 1.5 }],
    ['no object', 6],
  ])('takes nothing for cached where the details are %s', (_case, details) => {
    const usage = { prompt_tokens: 9, completion_tokens: 4, prompt_tokens_details: details };
    expect(readUsage(usage)).toEqual(countsOf(9, 4));
  });

  it('cuts a count that no call comes to, and never takes it for nothing', () => {
    const usage = { prompt_tokens: 9e15, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 8e15 } };
    expect(readUsage(usage)).toEqual(countsOf(1e9, 4, { cachedInputTokens: 1e9 }));
  });

  it('never takes more for cached than was read', () => {
    fc.assert(
      fc.property(fc.option(fc.nat(100), { nil: undefined }), fc.nat(100), (prompt, cached) => {
        const usage = readUsage({
          prompt_tokens: prompt,
          completion_tokens: 1,
          prompt_tokens_details: { cached_tokens: cached },
        })!;
        expect(usage.cachedInputTokens).toBe(Math.min(cached, prompt ?? 0));
      }),
    );
  });

  it.each([
    ['DeepSeek', { prompt_cache_hit_tokens: 6, prompt_cache_miss_tokens: 3 }, { cachedInputTokens: 6 }],
    ['OpenRouter', { prompt_tokens_details: { cache_write_tokens: 5 } }, { cacheWriteTokens: 5 }],
    [
      'servers before Anthropic’s models',
      { prompt_tokens_details: { cached_tokens: 6 }, cache_creation_input_tokens: 5 },
      { cachedInputTokens: 6, cacheWriteTokens: 3 },
    ],
    ['OpenAI', { completion_tokens_details: { reasoning_tokens: 3 } }, { reasoningTokens: 3 }],
  ])('reads the parts as %s reports them, none larger than what it is a part of', (_server, parts, counts) => {
    expect(readUsage({ prompt_tokens: 9, completion_tokens: 4, ...parts })).toEqual(countsOf(9, 4, counts));
  });

  it('counts reasoning that is reported outside the output, by the total', () => {
    expect(readUsage({ prompt_tokens: 9, completion_tokens: 664, total_tokens: 1994 })).toEqual(countsOf(9, 1985));
    const usage = { prompt_tokens: 36, completion_tokens: 10, total_tokens: 736, reasoning_tokens: 690 };
    expect(readUsage(usage)).toEqual(countsOf(36, 700, { reasoningTokens: 690 }));
  });

  it('takes no total for output where the prompt is not said', () => {
    expect(readUsage({ completion_tokens: 4, total_tokens: 13 })).toEqual(countsOf(0, 4));
  });

  it.each([
    undefined,
    null,
    {},
    { total_tokens: 5 },
    'x',
    { prompt_tokens: -1 },
    { prompt_tokens: 9, completion_tokens: -4 },
    { prompt_tokens: 9, completion_tokens: 4, total_tokens: -13 },
  ])('has no usage in %j', (usage) => {
    expect(readUsage(usage)).toBeNull();
  });
});

describe('largestOf', () => {
  it('puts a report in pieces together, and forgets nothing for zeros', () => {
    const pieces = [countsOf(1100, 0, { cachedInputTokens: 5 }), countsOf(0, 700), countsOf(0, 0)];
    expect(pieces.reduce<TokenCounts | null>(largestOf, null)).toEqual(countsOf(1100, 700, { cachedInputTokens: 5 }));
  });
});
