import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { Pepper } from '../config/index.js';

/** A secret's hash, and which pepper it was made with. */
export interface PepperedHash {
  readonly version: number;
  readonly hash: Buffer;
}

const KEYS = new WeakMap<Pepper, KeyObject>();

/**
 * HMAC-SHA-256 under a pepper: 32 bytes. Secrets hashed here are random and long, so that a slow password hash would buy
 * nothing but a way to exhaust the CPU; without the pepper a stolen table can't even be tested against.
 */
export function hashSecret(pepper: Pepper, secret: string): Buffer {
  let key = KEYS.get(pepper);
  if (key === undefined) {
    key = createSecretKey(pepper.secret);
    KEYS.set(pepper, key);
  }
  return createHmac('sha256', key).update(secret, 'utf8').digest();
}

/** All peppers in use. The first is for what is stored from now on; the others recognise what was stored before. */
export class PepperRing {
  private readonly peppers: readonly [Pepper, ...Pepper[]];

  /** @param peppers newest first, at least one */
  constructor(peppers: readonly Pepper[]) {
    const [newest, ...older] = peppers;
    if (newest === undefined) throw new RangeError('A pepper ring needs at least one pepper.');
    this.peppers = [newest, ...older];
  }

  /** Under the newest pepper. */
  hash(secret: string): Buffer {
    return hashSecret(this.peppers[0], secret);
  }

  /** Under the newest pepper, with its version, as it is stored. */
  current(secret: string): PepperedHash {
    return { version: this.peppers[0].version, hash: this.hash(secret) };
  }

  /** Under every pepper, newest first: what a stored secret may be found by. */
  candidates(secret: string): readonly PepperedHash[] {
    return this.peppers.map((pepper) => ({ version: pepper.version, hash: hashSecret(pepper, secret) }));
  }
}
