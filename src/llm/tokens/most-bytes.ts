/** Text is normalized in pieces of this many characters, and no further than to the limit. */
const PIECE_LENGTH = 16_384;
export const NORMALIZED_LENGTH = 524_288;
/** Normalizing a text that grows takes thirty times as long as one that doesn't: from then on it is bounded instead. */
const GROWTH_WORTH_MEASURING = 1.5;
/** A mark at the beginning of a piece might have gone to the end of the one before. */
const BYTES_PER_SEAM = 64;
/**
 * By how much a text can grow at most, for each byte beyond one that its characters have: U+FDFA has three bytes, two of
 * them beyond one, and becomes 33. Tested against every character.
 */
const GROWTH_PER_FURTHER_BYTE = 15;

/**
 * The most tokens that a text can be for a tokenizer that works on bytes, or falls back to them: one for each byte of
 * UTF-8, since no token stands for less.
 *
 * @param normalizing the tokenizer may fold compatibility characters first (NFKC), which can make a text longer
 * @param normalizedLength so far the text is normalized; for the rest the bound is coarse
 */
export function mostByteTokens(text: string, normalizing: boolean, normalizedLength = NORMALIZED_LENGTH): number {
  const bytes = Buffer.byteLength(text);
  if (!normalizing || bytes === text.length) return bytes;
  let most = 0;
  let start = 0;
  while (start < text.length && start < normalizedLength) {
    const end = pieceEnd(text, start);
    const piece = text.slice(start, end);
    const pieceBytes = Buffer.byteLength(piece);
    const normalized = Buffer.byteLength(piece.normalize('NFKC'));
    most += Math.max(pieceBytes, normalized) + (end < text.length ? BYTES_PER_SEAM : 0);
    start = end;
    if (normalized > pieceBytes * GROWTH_WORTH_MEASURING) break;
  }
  const rest = text.slice(start);
  const restBytes = Buffer.byteLength(rest);
  return most + restBytes + GROWTH_PER_FURTHER_BYTE * (restBytes - rest.length);
}

/** Never within a character. */
function pieceEnd(text: string, start: number): number {
  const end = start + PIECE_LENGTH;
  if (end >= text.length) return text.length;
  const unit = text.charCodeAt(end);
  return unit >= 0xdc00 && unit <= 0xdfff ? end - 1 : end;
}
