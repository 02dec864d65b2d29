import { mostByteTokens, NORMALIZED_LENGTH } from './most-bytes.js';
import { BOUND_TOKENS, BY_BYTES, type TextBound } from './tokenizer.js';

/**
 * The most tokens of a request's long texts that are counted: a tenth of a second, however they are cut into messages.
 */
const COUNTED_TOKENS = 32_768;

/** How much work the bounds of a request's texts may still take. What comes after it is bounded coarsely, at no cost. */
export class TextEffort {
  private tokens = COUNTED_TOKENS;
  private characters = NORMALIZED_LENGTH;

  /** The most tokens of a text, counted as far as the effort goes. */
  counted(text: string, texts: TextBound): number {
    if (this.tokens <= 0) return BY_BYTES.atMost(text);
    const tokens = texts.atMost(text);
    this.tokens -= Math.min(tokens, BOUND_TOKENS);
    return tokens;
  }

  /** The same for tokenizers that work on bytes. */
  byBytes(text: string, normalizing: boolean): number {
    const tokens = mostByteTokens(text, normalizing, this.characters);
    const isPlain = !normalizing || tokens === text.length;
    if (!isPlain) this.characters = Math.max(0, this.characters - text.length);
    return tokens;
  }
}
