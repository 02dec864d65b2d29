import fc from 'fast-check';
import { readUsage } from './openai-usage.js';

describe('readUsage', () => {
  it('reads what was used, and what of it came out of the cache', () => {
    const usage = {
      prompt_tokens: 9,
      completion_tokens: 4,
      total_tokens: 13,
      prompt_tokens_details: { cached_tokens: 6 },
    };
    expect(readUsage(usage)).toEqual({ inputTokens: 9, cachedInputTokens: 6, outputTokens: 4 });
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
    expect(readUsage(usage)).toEqual({ inputTokens: 9, cachedInputTokens: 0, outputTokens: 4 });
  });

  it('cuts a count that no call comes to, and never takes it for nothing', () => {
    const usage = { prompt_tokens: 9e15, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 8e15 } };
    expect(readUsage(usage)).toEqual({ inputTokens: 1e9, cachedInputTokens: 1e9, outputTokens: 4 });
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

  it.each([undefined, null, {}, { total_tokens: 5 }, 'x', { prompt_tokens: -1 }])('has no usage in %j', (usage) => {
    expect(readUsage(usage)).toBeNull();
  });
});
