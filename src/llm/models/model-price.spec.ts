import fc from 'fast-check';
import { loadSettings } from '../../platform/config/index.js';
import { KnownModels } from './model-facts.js';
import { costOf } from './model-price.js';

const known = new KnownModels(loadSettings({}).settings);
const GPT = known.find('gpt-4o-2024-08-06')!;

describe('costOf', () => {
  const usage = (inputTokens: number, cachedInputTokens: number, outputTokens: number) => ({
    inputTokens,
    cachedInputTokens,
    outputTokens,
  });

  it('is exact, to the millionth of a micro-dollar', () => {
    expect(costOf(usage(1_000_003, 3, 7), GPT)).toBe(1_000_000n * 2_500_000n + 3n * 1_250_000n + 7n * 10_000_000n);
    expect(costOf(usage(1_000_000_000, 0, 1_000_000_000), GPT)).toBe(12_500_000_000_000_000n);
    expect(costOf(usage(0, 0, 0), GPT)).toBe(0n);
  });

  it('takes the price of long prompts for the whole call, from the first token above', () => {
    const facts = known.find('gemini-2.5-pro');
    expect(costOf(usage(200_000, 0, 1), facts)).toBe(200_000n * 1_250_000n + 10_000_000n);
    expect(costOf(usage(200_001, 0, 1), facts)).toBe(200_001n * 2_500_000n + 15_000_000n);
  });

  it('is unknown without a price', () => {
    expect(costOf(usage(1, 0, 1), null)).toBeNull();
    expect(costOf(usage(1, 0, 1), known.find('llama3.1'))).toBeNull();
  });

  it('of a bound is never below that of anything within it', () => {
    const models = ['gpt-4o', 'gpt-6-sol', 'gemini-2.5-pro', 'claude-haiku-5-5', 'deepseek-chat', 'dummy'];
    fc.assert(
      fc.property(
        fc.constantFrom(...models),
        fc.nat(400_000),
        fc.nat(400_000),
        fc.nat(9_000),
        fc.nat(9_000),
        fc.nat(),
        (id, a, b, c, d, e) => {
          const facts = known.find(id);
          const most = costOf(usage(Math.max(a, b), 0, Math.max(c, d)), facts)!;
          expect(costOf(usage(Math.min(a, b), e % (Math.min(a, b) + 1), Math.min(c, d)), facts)! <= most).toBe(true);
        },
      ),
    );
  });
});
