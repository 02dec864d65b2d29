import fc from 'fast-check';
import type { TokenCounts } from '../provider.js';
import { largestOf, readUsage, splitCounts } from './openai-usage.js';

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
    ['a text', { cached_tokens: 'six' }],
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

  it('counts more reasoning than output beside the output, whatever the total says', () => {
    const parts = { completion_tokens_details: { reasoning_tokens: 690 } };
    const counts = countsOf(36, 700, { reasoningTokens: 690 });
    expect(readUsage({ prompt_tokens: 36, completion_tokens: 10, ...parts })).toEqual(counts);
    expect(readUsage({ prompt_tokens: 36, completion_tokens: 10, total_tokens: 46, ...parts })).toEqual(counts);
  });

  it('takes the larger one of a count that has two names', () => {
    const usage = { prompt_tokens: 0, completion_tokens: 700, input_tokens: 1100, output_tokens: 0 };
    expect(readUsage(usage)).toEqual(countsOf(1100, 700));
  });

  it('takes what the total leaves for the prompt where that is not said', () => {
    expect(readUsage({ completion_tokens: 4, total_tokens: 13 })).toEqual(countsOf(9, 4));
    expect(readUsage({ completion_tokens: 4, total_tokens: 3 })).toEqual(countsOf(0, 4));
  });

  it('reads counts that are strings of digits, and the names of the Responses API', () => {
    expect(readUsage({ prompt_tokens: '9', completion_tokens: '4', total_tokens: '13' })).toEqual(countsOf(9, 4));
    const usage = { input_tokens: '9', output_tokens: 4, input_tokens_details: { cached_tokens: '6' } };
    expect(readUsage(usage)).toEqual(countsOf(9, 4, { cachedInputTokens: 6 }));
  });

  it('keeps a total that stands alone', () => {
    expect(readUsage({ total_tokens: '21' })).toEqual({ ...countsOf(0, 0), unsplitTokens: 21 });
  });

  it.each([
    undefined,
    null,
    {},
    { prompt_tokens: '1e3' },
    { prompt_tokens: ' 9' },
    { prompt_tokens: '-9', completion_tokens: 4 },
    { total_tokens: 'x' },
    'x',
    { prompt_tokens: -1 },
    { prompt_tokens: 9, completion_tokens: -4 },
    { prompt_tokens: 9, completion_tokens: 4, total_tokens: -13 },
  ])('has no usage in %j', (usage) => {
    expect(readUsage(usage)).toBeNull();
  });
});

describe('splitCounts', () => {
  it('gives a total that stands alone to the prompt as far as it is estimated, and the rest to the answer', () => {
    const split = (unsplitTokens: number, estimate: number): TokenCounts =>
      splitCounts({ ...countsOf(0, 0), unsplitTokens }, () => estimate);
    expect([split(21, 9), split(21, 30), split(0, 9)]).toEqual([countsOf(9, 12), countsOf(21, 0), countsOf(0, 0)]);
  });

  it('never counts less than a total, nor otherwise than what else was reported', () => {
    const merged = [{ ...countsOf(0, 0), unsplitTokens: 21 }, countsOf(9, 4)].reduce(largestOf);
    expect(splitCounts(merged, () => 1)).toEqual(countsOf(9, 12));
    expect(splitCounts({ ...countsOf(9, 14), unsplitTokens: 21 }, () => 1)).toEqual(countsOf(9, 14));
  });
});

describe('largestOf', () => {
  it('puts a report in pieces together, and forgets nothing for zeros', () => {
    const pieces = [countsOf(1100, 0, { cachedInputTokens: 5 }), countsOf(0, 700), countsOf(0, 0)];
    expect(pieces.reduce<TokenCounts | null>(largestOf, null)).toEqual(countsOf(1100, 700, { cachedInputTokens: 5 }));
  });
});
