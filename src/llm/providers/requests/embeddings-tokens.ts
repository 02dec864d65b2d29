import type { Tokenizer } from '../../tokens/tokenizer.js';
import type { EmbeddingsInput, EmbeddingsRequest } from './embeddings-request.js';

/** Counts what a request has to be embedded. */
export function countEmbeddedTokens(tokenizer: Tokenizer, { inputs }: EmbeddingsRequest): number {
  return tokensGiven(inputs) + tokenizer.count(textsOf(inputs).join('\n'));
}

/** Of the inputs that are tokens already. */
export function tokensGiven(inputs: readonly EmbeddingsInput[]): number {
  return inputs.reduce<number>((sum, input) => sum + (typeof input === 'string' ? 0 : input.length), 0);
}

export function textsOf(inputs: readonly EmbeddingsInput[]): readonly string[] {
  return inputs.filter((input) => typeof input === 'string');
}
