import { Injectable } from '@nestjs/common';

type Encoding = typeof import('gpt-tokenizer/encoding/o200k_base');

/** Text is encoded in pieces of at most this many characters: the encoder's time grows with the square of a word's length. */
const PIECE_LENGTH = 64;
/** Up to here every character is encoded; beyond it evenly spread samples are. */
const EXACT_LENGTH = 8_192;
/**
 * A bound counts so many tokens, a slice at a time, and takes bytes for the rest: samples say nothing of what stands
 * between them. Tokens, since a text that is hard to encode takes a hundred times as long for each of its characters.
 */
export const BOUND_TOKENS = 4_096;
const BOUND_SLICE_LENGTH = 2_048;
const SAMPLE_LENGTH = 512;
const SAMPLES = 8;
/** Until the vocabulary is loaded. */
const CHARACTERS_PER_TOKEN = 4;

/** Names of special tokens in a text are text. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

/**
 * Counts tokens by o200k, the vocabulary of OpenAI's current models, for what a provider did not count. It takes a few
 * milliseconds at most, whatever the text; the same text always counts the same.
 */
@Injectable()
export class Tokenizer {
  private encoding: Encoding | null = null;
  private loading: Promise<void> | null = null;

  get isLoaded(): boolean {
    return this.encoding !== null;
  }

  /** It blocks the process for some 500 ms the first time: the service loads the vocabulary before it takes requests. */
  load(): Promise<void> {
    this.loading ??= import('gpt-tokenizer/encoding/o200k_base').then((encoding) => {
      // Its cache would keep a hundred thousand pieces of prompts in memory.
      encoding.setMergeCacheSize(0);
      this.encoding = encoding;
    });
    return this.loading;
  }

  /** How many tokens a text is; extrapolated from samples where it is long. */
  count(text: string): number {
    if (text === '') return 0;
    if (this.encoding === null) return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
    if (text.length <= EXACT_LENGTH) return this.countPieces(this.encoding, text);
    const step = (text.length - SAMPLE_LENGTH) / (SAMPLES - 1);
    let tokens = 0;
    for (let i = 0; i < SAMPLES; i += 1) {
      const start = Math.floor(i * step);
      tokens += this.countPieces(this.encoding, text.slice(start, start + SAMPLE_LENGTH));
    }
    return Math.round((tokens * text.length) / (SAMPLES * SAMPLE_LENGTH));
  }

  /**
   * A bound that o200k's count of a text never exceeds: for limits, where an estimate could be tricked by the text's
   * author. Past what is counted, and until the vocabulary is loaded, it is the number of bytes, since no token stands
   * for less than one. The margin is for the cuts between pieces, by which a token of the whole text might be saved.
   */
  atMost(text: string): number {
    const bytes = Buffer.byteLength(text);
    if (this.encoding === null) return bytes;
    let tokens = 0;
    let start = 0;
    while (start < text.length && tokens < BOUND_TOKENS) {
      let end = Math.min(start + BOUND_SLICE_LENGTH, text.length);
      if (end < text.length && isLowSurrogate(text, end)) end -= 1;
      tokens += this.countPieces(this.encoding, text.slice(start, end));
      start = end;
    }
    const margin = Math.ceil(tokens / 16) + Math.ceil(start / PIECE_LENGTH) + 2;
    return Math.min(bytes, tokens + margin + bytes - Buffer.byteLength(text.slice(0, start)));
  }

  /**
   * The beginning of a text, cut after `maxTokens`. Needs `load`.
   *
   * @returns the text itself where it is short enough
   */
  truncate(text: string, maxTokens: number): string {
    if (this.encoding === null) throw new Error('The token vocabulary is not loaded.');
    let tokens = 0;
    for (let start = 0; start < text.length;) {
      const end = endOfPiece(text, start);
      const pieceTokens = this.encoding.countTokens(text.slice(start, end), AS_TEXT);
      if (tokens + pieceTokens > maxTokens)
        return text.slice(0, this.cutPiece(this.encoding, text, start, end, maxTokens - tokens));
      tokens += pieceTokens;
      start = end;
    }
    return text;
  }

  /** The end of the longest beginning of a piece that has at most `maxTokens`. (Decoding tokens would split characters.) */
  private cutPiece(encoding: Encoding, text: string, start: number, end: number, maxTokens: number): number {
    for (let cut = end - 1; cut > start; cut -= 1) {
      if (isLowSurrogate(text, cut)) continue;
      if (encoding.countTokens(text.slice(start, cut), AS_TEXT) <= maxTokens) return cut;
    }
    return start;
  }

  private countPieces(encoding: Encoding, text: string): number {
    let tokens = 0;
    for (let start = 0; start < text.length;) {
      const end = endOfPiece(text, start);
      tokens += encoding.countTokens(text.slice(start, end), AS_TEXT);
      start = end;
    }
    return tokens;
  }
}

/** Cuts before a space where there is one, so that the pieces' tokens are those of the whole; never within a character. */
function endOfPiece(text: string, start: number): number {
  const limit = start + PIECE_LENGTH;
  if (limit >= text.length) return text.length;
  const space = text.slice(start, limit + 1).lastIndexOf(' ');
  if (space > 0) return start + space;
  return isLowSurrogate(text, limit) ? limit - 1 : limit;
}

/** Something that bounds how many tokens a text is. */
export type TextBound = Pick<Tokenizer, 'atMost'>;

/** No token stands for less than a byte, so that the bytes bound a text too, and cost no counting. */
export const BY_BYTES: TextBound = { atMost: (text) => Buffer.byteLength(text) };

/** The second half of a character. */
function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}
