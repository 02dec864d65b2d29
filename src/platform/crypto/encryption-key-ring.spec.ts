import { testPepper } from '../../../test/support/settings.js';
import { EncryptionKeyRing, EnvelopeError, type EnvelopePlace } from './encryption-key-ring.js';

const OLD = testPepper(1);
const NEW = testPepper(2);
const PLACE: EnvelopePlace = { tenantId: 'acme', table: 'webhook_secrets', rowId: 'row-1' };
const SECRET = Buffer.from('whsec_the secret itself');

/** Why it could not be decrypted; null: it was. */
function failureOf(open: () => unknown): string | null {
  try {
    open();
    return null;
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    expect(error.message).not.toContain(SECRET.toString());
    return error.reason;
  }
}

describe('EncryptionKeyRing', () => {
  const ring = new EncryptionKeyRing([NEW, OLD]);

  it.each([0, 1, 16, 31, 4096])('returns the encrypted secret: %s bytes', (size) => {
    const secret = Buffer.alloc(size, 'x');
    const envelope = ring.encrypt(secret, PLACE);
    expect(ring.decrypt(envelope, PLACE)).toEqual(secret);
    expect(envelope).toHaveLength(1 + 4 + 60 + 28 + size);
  });

  it('contains neither the secret nor a key in the clear, and never makes the same envelope twice', () => {
    const envelopes = [1, 2].map(() => ring.encrypt(SECRET, PLACE));
    for (const clear of [SECRET, NEW.secret, OLD.secret]) expect(envelopes[0]!.includes(clear)).toBe(false);
    // Nonces, data keys and texts differ; format and key version don't.
    expect(envelopes[0]!.subarray(0, 5)).toEqual(envelopes[1]!.subarray(0, 5));
    for (const at of [5, 17, 65, 77]) {
      expect(envelopes[0]!.subarray(at, at + 12)).not.toEqual(envelopes[1]!.subarray(at, at + 12));
    }
  });

  it('opens no envelope with a changed bit, or that was cut or extended', () => {
    const envelope = ring.encrypt(SECRET, PLACE);
    const opened: number[] = [];
    for (let at = 0; at < envelope.length; at += 1) {
      for (const bit of [0x01, 0x80]) {
        const changed = Buffer.from(envelope);
        changed[at]! ^= bit;
        if (failureOf(() => ring.decrypt(changed, PLACE)) === null) opened.push(at);
        // Moving a damaged data key to another key must not give it a valid tag.
        if (at < 65 && failureOf(() => ring.rewrap(changed, PLACE)) === null) opened.push(at);
      }
    }
    expect(opened).toEqual([]);
    for (const length of [0, 1, 5, 64, 92, envelope.length - 1]) {
      expect(failureOf(() => ring.decrypt(envelope.subarray(0, length), PLACE))).toBe('damaged');
    }
    expect(failureOf(() => ring.decrypt(Buffer.concat([envelope, Buffer.alloc(1)]), PLACE))).toBe('damaged');
  });

  it('does not mistake one key for another', () => {
    const envelope = ring.encrypt(SECRET, PLACE);
    envelope.writeUInt32BE(OLD.version, 1);
    expect(failureOf(() => ring.decrypt(envelope, PLACE))).toBe('damaged');
    // Not even for one of the same bytes: the key's version in the envelope is part of the sealed data.
    const twins = new EncryptionKeyRing([NEW, { version: OLD.version, secret: NEW.secret }]);
    expect(failureOf(() => twins.decrypt(envelope, PLACE))).toBe('damaged');
  });

  it.each<[string, Partial<EnvelopePlace>]>([
    ['tenant', { tenantId: 'globex' }],
    ['table', { table: 'providers' }],
    ['row', { rowId: 'row-2' }],
    ['tenant and table, divided at another place', { tenantId: 'acme","webhook_secrets', table: '' }],
  ])('opens an envelope at its own place only: not with another %s', (_what, other) => {
    const envelope = ring.encrypt(SECRET, PLACE);
    expect(failureOf(() => ring.decrypt(envelope, { ...PLACE, ...other }))).toBe('damaged');
    expect(failureOf(() => ring.rewrap(envelope, { ...PLACE, ...other }))).toBe('damaged');
  });

  it("does not decrypt one envelope's content with another's data key", () => {
    const [one, other] = [ring.encrypt(SECRET, PLACE), ring.encrypt(SECRET, PLACE)];
    const mixed = Buffer.concat([one.subarray(0, 65), other.subarray(65)]);
    expect(failureOf(() => ring.decrypt(mixed, PLACE))).toBe('damaged');
  });

  it('encrypts with the newest key, and opens older envelopes with older keys', () => {
    const old = new EncryptionKeyRing([OLD]).encrypt(SECRET, PLACE);
    expect(ring.decrypt(old, PLACE)).toEqual(SECRET);
    expect(failureOf(() => new EncryptionKeyRing([OLD]).decrypt(ring.encrypt(SECRET, PLACE), PLACE))).toBe(
      'unknown_key',
    );
  });

  it('moves an envelope to the newest key, after which the older one may be removed', () => {
    const moved = ring.rewrap(new EncryptionKeyRing([OLD]).encrypt(SECRET, PLACE), PLACE);
    expect(new EncryptionKeyRing([NEW]).decrypt(moved, PLACE)).toEqual(SECRET);
  });

  it('names the missing key where it was removed too early', () => {
    const envelope = ring.encrypt(SECRET, PLACE);
    expect(() => new EncryptionKeyRing([OLD]).decrypt(envelope, PLACE)).toThrow(
      'A secret is encrypted under version 2 of GATEHOUSE_ENCRYPTION_KEYS, which is not set any more',
    );
  });

  it("can't be created without a key", () => {
    expect(() => new EncryptionKeyRing([])).toThrow(RangeError);
  });
});
