import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';

/** The kind of a sealed text: one kind can't be presented as the other. */
export type SealedKind = 'token' | 'state';

interface SealingKey {
  readonly key: KeyObject;
  /** The header of each kind, which is always the same, byte for byte. */
  readonly headers: Readonly<Record<SealedKind, object>>;
}

const OPTIONS = {
  keyManagementAlgorithms: ['dir'],
  contentEncryptionAlgorithms: ['A256GCM'],
  maxDecompressedLength: 0,
};
const DERIVED_FOR = 'gatehouse sealed access tokens';

/**
 * Seals data that callers keep for us: a compact JWE, `dir` with A256GCM.
 *
 * Guarantees: a text opens only if one of our keys sealed it, and only as the kind that it was sealed as. The header must
 * equal one of ours to the byte, so that other algorithms, compression and extensions are never considered. Each presented
 * text costs one decryption.
 */
@Injectable()
export class SealedKeys {
  private readonly newest: SealingKey;
  private readonly byHeader: Readonly<Record<SealedKind, ReadonlyMap<string, SealingKey>>>;

  constructor(@Inject(SETTINGS_TOKEN) settings: Pick<Settings, 'sealedTokenKeys' | 'encryptionKeys'>) {
    const keys = keysOf(settings);
    const [newest] = keys;
    if (newest === undefined) throw new RangeError('Sealing needs at least one key.');
    this.newest = newest;
    const ofKind = (kind: SealedKind) => new Map(keys.map((key) => [encoded(key.headers[kind]), key]));
    this.byHeader = { token: ofKind('token'), state: ofKind('state') };
  }

  seal(kind: SealedKind, content: object): Promise<string> {
    const { key, headers } = this.newest;
    return new CompactEncrypt(Buffer.from(JSON.stringify(content)))
      .setProtectedHeader(headers[kind] as { alg: string; enc: string })
      .encrypt(key);
  }

  /** @returns null: none of our keys sealed it, or not as this kind */
  async open(kind: SealedKind, sealed: string): Promise<unknown> {
    const parts = sealed.split('.');
    const [header = '', , nonce = '', content = '', tag = ''] = parts;
    const known = this.byHeader[kind].get(header);
    const { key, headers } = known ?? this.newest;
    const isWritten = parts.length === 5 && parts.every(isCanonical) && parts[1] === '';
    const presented = isWritten ? `${encoded(headers[kind])}..${nonce}.${content}.${tag}` : NOTHING;
    try {
      const { plaintext } = await compactDecrypt(presented, key, OPTIONS);
      return known === undefined ? null : JSON.parse(Buffer.from(plaintext).toString('utf8'));
    } catch {
      return null;
    }
  }
}

const NOTHING = '....';

function keysOf({
  sealedTokenKeys,
  encryptionKeys,
}: Pick<Settings, 'sealedTokenKeys' | 'encryptionKeys'>): readonly SealingKey[] {
  return (sealedTokenKeys ?? encryptionKeys).map(({ version, secret }) => {
    const bytes = sealedTokenKeys === undefined ? Buffer.from(hkdfSync('sha256', secret, '', DERIVED_FOR, 32)) : secret;
    // `ver` comes first, since clients recognise a token by its beginning.
    const header = { ver: 1, alg: 'dir', enc: 'A256GCM', kid: String(version) };
    return { key: createSecretKey(bytes), headers: { token: header, state: { ...header, typ: 'state' } } };
  });
}

function encoded(header: object): string {
  return Buffer.from(JSON.stringify(header)).toString('base64url');
}

/** Otherwise several texts would stand for the same bytes. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}
