import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, type Cipheriv, type Decipheriv } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { EnvelopeError } from '../crypto/index.js';
import { GatheredBytes, inTurns, READING_TURNS } from '../http/index.js';
import { isLongerThan, parseJson, parseSteps, STEP_LENGTH, writeSteps, type Steps } from '../json/index.js';
import { TenantDataKeys, type TenantDataKey } from './tenant-data-keys.js';

/** The row, of the tenant, that holds a ciphertext: it opens nowhere else. Two columns of a row are two tables here. */
export interface RowPlace {
  readonly table: string;
  readonly rowId: string;
}

const VERSION = 1;
const CIPHER = 'aes-256-gcm';
const ID_BYTES = 16;
const SALT_BYTES = 16;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const SALT_AT = 1 + ID_BYTES;
const TEXT_AT = SALT_AT + SALT_BYTES;

/**
 * Encrypts what a tenant's rows hold: under the tenant's data key, each text by a key of its own that is derived for its
 * tenant, table and row. Nothing opens under another tenant or at another row, and there is no number of texts after which
 * the data key would be worn out. Node's own AES-256-GCM and HKDF-SHA-256.
 *
 * Bytes: format (1) · id of the data key (16) · salt (16) · encrypted text (n) · tag (16).
 */
@Injectable()
export class TenantCipher {
  constructor(private readonly keys: TenantDataKeys) {}

  /**
   * Makes the tenant's data key where this is its first text.
   *
   * @throws Fault permission_denied: the tenant was deleted; unavailable
   * @throws EnvelopeError: the tenant's data key can't be read
   */
  async encrypt(tenantId: string, text: Buffer | string, place: RowPlace): Promise<Buffer> {
    const dataKey = await this.keys.getOrMake(tenantId);
    const salt = randomBytes(SALT_BYTES);
    const head = Buffer.concat([Buffer.of(VERSION), idBytes(dataKey), salt]);
    const { key, nonce } = derived(dataKey, salt, place);
    const cipher = createCipheriv(CIPHER, key, nonce).setAAD(head);
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    const encrypted = Buffer.allocUnsafe(head.length + bytes.length + TAG_BYTES);
    encrypted.set(head);
    await inTenantsTurns(tenantId, changedSteps(cipher, bytes, encrypted.subarray(head.length)));
    cipher.final();
    encrypted.set(cipher.getAuthTag(), head.length + bytes.length);
    return encrypted;
  }

  /** The text of JSON, as `encrypt`; a large one is written in steps. */
  async encryptJson(tenantId: string, value: object, place: RowPlace): Promise<Buffer> {
    return this.encrypt(tenantId, await jsonBytes(tenantId, value), place);
  }

  /**
   * @throws EnvelopeError `unknown_key`: the tenant's data key, or the operator's key around it, is not there; `damaged`: this
   *   is not what was stored, or not at its place
   * @throws Fault unavailable
   */
  async decrypt(tenantId: string, ciphertext: Uint8Array, place: RowPlace): Promise<Buffer> {
    const bytes = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.byteLength);
    if (bytes.length < TEXT_AT + TAG_BYTES || bytes[0] !== VERSION) throw damaged();
    const dataKey = await this.keys.find(tenantId);
    if (dataKey === null)
      throw new EnvelopeError('unknown_key', 'The tenant has no data key, so that nothing of it can be read.');
    if (!bytes.subarray(1, SALT_AT).equals(idBytes(dataKey))) throw damaged();
    const { key, nonce } = derived(dataKey, bytes.subarray(SALT_AT, TEXT_AT), place);
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
      .setAAD(bytes.subarray(0, TEXT_AT))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    const encrypted = bytes.subarray(TEXT_AT, -TAG_BYTES);
    const text = Buffer.allocUnsafe(encrypted.length);
    await inTenantsTurns(tenantId, changedSteps(decipher, encrypted, text));
    try {
      decipher.final();
    } catch {
      throw damaged();
    }
    return text;
  }

  /** What `encryptJson` was given; a large one is read in steps. @throws as `decrypt` */
  async decryptJson(tenantId: string, ciphertext: Uint8Array, place: RowPlace): Promise<unknown> {
    const text = (await this.decrypt(tenantId, ciphertext, place)).toString('utf8');
    return text.length < STEP_LENGTH ? parseJson(text) : inTenantsTurns(tenantId, parseSteps(text));
  }
}

/** JSON's bytes; of a large value in steps. */
export async function jsonBytes(tenantId: string, value: object): Promise<Buffer> {
  if (!isLongerThan(value, STEP_LENGTH)) return Buffer.from(JSON.stringify(value));
  const bytes = new GatheredBytes(0, Infinity);
  await inTenantsTurns(
    tenantId,
    writeSteps(value, (piece) => bytes.add(piece)),
  );
  return bytes.all();
}

/** Several large texts at once would hold up a probe for half a second. */
function inTenantsTurns<Result>(tenantId: string, steps: Steps<Result>): Promise<Result> {
  return inTurns(steps, () => READING_TURNS.next(tenantId));
}

/** Fills `into` with what the cipher makes of a text. */
function* changedSteps(cipher: Cipheriv | Decipheriv, text: Buffer, into: Buffer): Steps<void> {
  for (let at = 0; at < text.length; at += STEP_LENGTH) {
    into.set(cipher.update(text.subarray(at, at + STEP_LENGTH)), at);
    if (at + STEP_LENGTH < text.length) yield;
  }
}

function derived(dataKey: TenantDataKey, salt: Buffer, { table, rowId }: RowPlace): { key: Buffer; nonce: Buffer } {
  // Unambiguous, whatever the parts hold.
  const boundTo = JSON.stringify(['gatehouse', 'tenant', dataKey.tenantId, table, rowId]);
  const bytes = Buffer.from(hkdfSync('sha256', dataKey.key, salt, boundTo, KEY_BYTES + NONCE_BYTES));
  return { key: bytes.subarray(0, KEY_BYTES), nonce: bytes.subarray(KEY_BYTES) };
}

function idBytes({ id }: TenantDataKey): Buffer {
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}

function damaged(): EnvelopeError {
  return new EnvelopeError('damaged', "A tenant's encrypted text is not the one that was stored, or not at its place.");
}
