import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import type { EncryptionKey } from '../config/index.js';

/** Where an envelope is stored: it opens nowhere else. */
export interface EnvelopePlace {
  readonly tenantId: string;
  readonly table: string;
  readonly rowId: string;
}

/**
 * - `unknown_key`: it was made under a key that is not among ours.
 * - `damaged`: it is not what was stored, or not at this place.
 */
export type EnvelopeFailure = 'unknown_key' | 'damaged';

/** Why an envelope did not open. The message names versions, never content. */
export class EnvelopeError extends Error {
  readonly reason: EnvelopeFailure;

  constructor(reason: EnvelopeFailure, message: string) {
    super(message);
    this.name = 'EnvelopeError';
    this.reason = reason;
  }
}

const VERSION = 1;
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Format version, version of the encryption key. */
const HEAD_BYTES = 1 + 4;
const SEALED_KEY_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES;
const CONTENT_AT = HEAD_BYTES + SEALED_KEY_BYTES;

/**
 * Envelope encryption of secrets that must be read again. Each secret has a random data key of its own, which the operator's
 * newest encryption key encrypts. Both use AES-256-GCM and are bound to tenant, table and row: write access to the table
 * can't move one tenant's secret to another's row. Random nonces are safe here: a data key encrypts one text, and an
 * encryption key some millions of data keys at most, far below 2^32.
 * Bytes: format (1) · key version (4, big-endian) · nonce, encrypted data key, tag (12 + 32 + 16) · nonce, encrypted secret,
 * tag (12 + n + 16).
 */
export class EncryptionKeyRing {
  private readonly keys = new Map<number, KeyObject>();
  /** Of the key that encrypts from now on. */
  readonly newestVersion: number;

  /** @param keys newest first, at least one, of 32 bytes each */
  constructor(keys: readonly EncryptionKey[]) {
    const [newest] = keys;
    if (newest === undefined) throw new RangeError('An encryption key ring needs at least one key.');
    this.newestVersion = newest.version;
    for (const { version, secret } of keys) this.keys.set(version, createSecretKey(secret));
  }

  encrypt(secret: Buffer, place: EnvelopePlace): Buffer {
    const dataKey = randomBytes(KEY_BYTES);
    return Buffer.concat([this.wrapped(dataKey, place), seal(dataKey, secret, boundTo(place, 'secret'))]);
  }

  /** @throws EnvelopeError */
  decrypt(envelope: Uint8Array, place: EnvelopePlace): Buffer {
    const bytes = Buffer.from(envelope);
    return open(this.dataKeyOf(bytes, place), bytes.subarray(CONTENT_AT), boundTo(place, 'secret'));
  }

  /**
   * The same secret under the newest key; the secret itself is not decrypted for that.
   *
   * @throws EnvelopeError
   */
  rewrap(envelope: Uint8Array, place: EnvelopePlace): Buffer {
    const bytes = Buffer.from(envelope);
    return Buffer.concat([this.wrapped(this.dataKeyOf(bytes, place), place), bytes.subarray(CONTENT_AT)]);
  }

  private wrapped(dataKey: Buffer, place: EnvelopePlace): Buffer {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt8(VERSION);
    head.writeUInt32BE(this.newestVersion, 1);
    return Buffer.concat([head, seal(this.key(this.newestVersion), dataKey, boundTo(place, 'data key', head))]);
  }

  private dataKeyOf(bytes: Buffer, place: EnvelopePlace): Buffer {
    if (bytes.length < CONTENT_AT + NONCE_BYTES + TAG_BYTES) throw damaged();
    if (bytes[0] !== VERSION) {
      throw new EnvelopeError('damaged', `An envelope has the format version ${bytes[0]}, which is not known here.`);
    }
    const head = bytes.subarray(0, HEAD_BYTES);
    return open(
      this.key(head.readUInt32BE(1)),
      bytes.subarray(HEAD_BYTES, CONTENT_AT),
      boundTo(place, 'data key', head),
    );
  }

  private key(version: number): KeyObject {
    const key = this.keys.get(version);
    if (key !== undefined) return key;
    throw new EnvelopeError(
      'unknown_key',
      `A secret is encrypted under version ${version} of GATEHOUSE_ENCRYPTION_KEYS, which is not set any more; set it again, ` +
        'behind the newest.',
    );
  }
}

/** Unambiguous, whatever the parts hold. */
function boundTo({ tenantId, table, rowId }: EnvelopePlace, part: string, head: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from(JSON.stringify(['gatehouse', part, tenantId, table, rowId])), head]);
}

function seal(key: KeyObject | Buffer, text: Buffer, boundData: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(boundData);
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

function open(key: KeyObject | Buffer, sealed: Buffer, boundData: Buffer): Buffer {
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(boundData)
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    throw damaged();
  }
}

function damaged(): EnvelopeError {
  return new EnvelopeError('damaged', 'An encrypted secret is not the one that was stored, or not at its place.');
}
