import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The largest multiple of 62 in a byte: larger bytes are thrown away, or some characters would occur more often. */
const ACCEPTED_BELOW = 248;

/** Random characters of `0-9A-Za-z`, each equally likely: 5.95 bits apiece. */
export function randomBase62(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length - text.length + 8)) {
      if (byte < ACCEPTED_BELOW && text.length < length) text += ALPHABET.charAt(byte % 62);
    }
  }
  return text;
}
