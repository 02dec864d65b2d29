import { crc32 } from 'node:zlib';
import { randomBase62 } from '../platform/crypto/index.js';

/**
 * `sk_gh_` or `pk_gh_` + 27 random characters (160 bits) + 6 characters of CRC-32, all base62. The checksum lets a
 * mistyped or invented key be refused without a look-up, and lets scanners recognise a leaked one; it protects nothing else.
 */
const BRAND = 'gh';
const RANDOM_LENGTH = 27;
const CHECKSUM_LENGTH = 6;
const SHOWN_LENGTH = 12;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

export type ApiKeyType = 'SECRET' | 'PUBLISHABLE';

const PREFIXES: Readonly<Record<ApiKeyType, string>> = { SECRET: `sk_${BRAND}_`, PUBLISHABLE: `pk_${BRAND}_` };
const BODY = new RegExp(`^[0-9A-Za-z]{${RANDOM_LENGTH + CHECKSUM_LENGTH}}$`);

export function newKey(type: ApiKeyType): string {
  return newToken(PREFIXES[type]);
}

export function newSecretKey(): string {
  return newKey('SECRET');
}

export function newPublishableKey(): string {
  return newKey('PUBLISHABLE');
}

/** Whether a text has a secret key's form and its checksum agrees. */
export function isSecretKey(key: string): boolean {
  return isTokenOf(PREFIXES.SECRET, key);
}

/** Whether a text has a publishable key's form and its checksum agrees. */
export function isPublishableKey(key: string): boolean {
  return isTokenOf(PREFIXES.PUBLISHABLE, key);
}

/** The part of a key that views show, so that its owner recognises it. */
export function shownPrefix(key: string): string {
  return key.slice(0, SHOWN_LENGTH);
}

/** A new secret in the form of all keys, with the given prefix. */
export function newToken(prefix: string): string {
  const body = prefix + randomBase62(RANDOM_LENGTH);
  return body + checksum(body);
}

/** Whether a text has this form and its checksum agrees. */
export function isTokenOf(prefix: string, token: string): boolean {
  if (!token.startsWith(prefix) || !BODY.test(token.slice(prefix.length))) return false;
  return checksum(token.slice(0, -CHECKSUM_LENGTH)) === token.slice(-CHECKSUM_LENGTH);
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
