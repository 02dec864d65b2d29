import { crc32 } from 'node:zlib';
import { randomBase62 } from '../platform/crypto/index.js';

/**
 * `sk_gh_` + 27 random characters (160 bits) + 6 characters of CRC-32, all base62. The checksum lets a mistyped or
 * invented key be refused without a look-up, and lets scanners recognise a leaked one; it protects nothing else.
 */
const BRAND = 'gh';
const RANDOM_LENGTH = 27;
const CHECKSUM_LENGTH = 6;
const SHOWN_LENGTH = 12;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const SECRET_KEY = new RegExp(`^sk_${BRAND}_[0-9A-Za-z]{${RANDOM_LENGTH + CHECKSUM_LENGTH}}$`);

export function newSecretKey(): string {
  const body = `sk_${BRAND}_${randomBase62(RANDOM_LENGTH)}`;
  return body + checksum(body);
}

/** Whether a text has a secret key's form and its checksum agrees. */
export function isSecretKey(key: string): boolean {
  if (!SECRET_KEY.test(key)) return false;
  return checksum(key.slice(0, -CHECKSUM_LENGTH)) === key.slice(-CHECKSUM_LENGTH);
}

/** The part of a key that views show, so that its owner recognises it. */
export function shownPrefix(key: string): string {
  return key.slice(0, SHOWN_LENGTH);
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i += 1) {
    digits = ALPHABET.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
