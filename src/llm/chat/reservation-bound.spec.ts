import fc from 'fast-check';
import { countInputTokens } from '../tokens/chat-tokens.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { parseChatRequest } from './chat-request.js';
import { reservationBound } from './reservation-bound.js';

const boundOf = (body: object): ReturnType<typeof reservationBound> =>
  reservationBound(parseChatRequest(Buffer.from(JSON.stringify({ model: 'm', messages: [{}], ...body }))));

describe('reservationBound', () => {
  it('bounds the output by the caller’s limit for each choice, or by a default', () => {
    expect(boundOf({}).outputTokens).toBe(4096);
    expect(boundOf({ max_tokens: 10 }).outputTokens).toBe(10);
    expect(boundOf({ max_tokens: 10, max_completion_tokens: 20, n: 3 }).outputTokens).toBe(60);
    expect(boundOf({ max_tokens: 0 }).outputTokens).toBe(0);
  });

  it('stays a number that a ledger can add up, whatever limit was written down', () => {
    expect(boundOf({ max_tokens: Number.MAX_SAFE_INTEGER, n: 128 }).outputTokens).toBe(1_000_000_000);
  });

  it('is never below what the text counts as', async () => {
    const tokenizer = new Tokenizer();
    await tokenizer.load();
    const message = fc.record({
      role: fc.constantFrom('user', 'system'),
      content: fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 300 }),
        fc.array(fc.record({ type: fc.constant('text'), text: fc.string({ unit: 'binary', maxLength: 100 }) }), {
          maxLength: 3,
        }),
      ),
    });
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), (messages) => {
        const request = parseChatRequest(Buffer.from(JSON.stringify({ model: 'm', messages })));
        expect(countInputTokens(tokenizer, request)).toBeLessThanOrEqual(reservationBound(request).inputTokens);
      }),
    );
  });

  it('counts an image by itself, and not by the length of its base64', () => {
    const image = (url: string, detail?: string): object => ({
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url, detail } }] }],
    });
    const small = boundOf(image('data:image/png;base64,AAAA'));
    const large = boundOf(image(`data:image/png;base64,${'A'.repeat(1_000_000)}`));
    expect(large.inputTokens).toBe(small.inputTokens);
    expect(boundOf(image('https://example.com/a.png')).inputTokens).toBeGreaterThan(50_000);
    expect(boundOf(image('https://example.com/a.png', 'low')).inputTokens).toBeLessThan(5_000);
  });
});
