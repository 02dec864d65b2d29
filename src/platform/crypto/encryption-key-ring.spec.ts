import { testPepper } from '../../../test/support/settings.js';
import { EncryptionKeyRing, EnvelopeError, type EnvelopePlace } from './encryption-key-ring.js';

const OLD = testPepper(1);
const NEW = testPepper(2);
const PLACE: EnvelopePlace = { tenantId: 'acme', table: 'webhook_secrets', rowId: 'row-1' };
const SECRET = Buffer.from('whsec_the secret itself');

/** Why it did not open; null: it did. */
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

  it.each([0, 1, 16, 31, 4096])('gives back what it was given: %s bytes', (size) => {
    const secret = Buffer.alloc(size, 'x');
    const envelope = ring.encrypt(secret, PLACE);
    expect(ring.decrypt(envelope, PLACE)).toEqual(secret);
    expect(envelope).toHaveLength(1 + 4 + 60 + 28 + size);
  });

  it('holds neither the secret nor a key in the clear, and never makes the same envelope twice', () => {
    const envelopes = [1, 2].map(() => ring.encrypt(SECRET, PLACE));
    for (const clear of [SECRET, NEW.secret, OLD.secret]) expect(envelopes[0]!.includes(clear)).toBe(false);
    // Nonces, data keys and texts differ; format and key version don't.
    expect(envelopes[0]!.subarray(0, 5)).toEqual(envelopes[1]!.subarray(0, 5));
    for (const at of [5, 17, 65, 77]) {
      expect(envelopes[0]!.subarray(at, at + 12)).not.toEqual(envelopes[1]!.subarray(at, at + 12));
    }
  });

  it('opens no envelope of which any bit was changed, or that was cut or added to', () => {
    const envelope = ring.encrypt(SECRET, PLACE);
    const opened: number[] = [];
    for (let at = 0; at < envelope.length; at += 1) {
      for (const bit of [0x01, 0x80]) {
        const changed = Buffer.from(envelope);
        changed[at]! ^= bit;
        if (failureOf(() => ring.decrypt(changed, PLACE)) === null) opened.push(at);
        // To move a damaged data key under another key must not lend it a new tag.
        if (at < 65 && failureOf(() => ring.rewrap(changed, PLACE)) === null) opened.push(at);
      }
    }
    expect(opened).toEqual([]);
    for (const length of [0, 1, 5, 64, 92, envelope.length - 1]) {
      expect(failureOf(() => ring.decrypt(envelope.subarray(0, length), PLACE))).toBe('damaged');
    }
    expect(failureOf(() => ring.decrypt(Buffer.concat([envelope, Buffer.alloc(1)]), PLACE))).toBe('damaged');
  });

  it('does not mistake one key of ours for another', () => {
    const envelope = ring.encrypt(SECRET, PLACE);
    envelope.writeUInt32BE(OLD.version, 1);
    expect(failureOf(() => ring.decrypt(envelope, PLACE))).toBe('damaged');
    // Not even for one of the same bytes: what an envelope says of itself is part of what is sealed.
    const twins = new EncryptionKeyRing([NEW, { version: OLD.version, secret: NEW.secret }]);
    expect(failureOf(() => twins.decrypt(envelope, PLACE))).toBe('damaged');
  });

  it.each<[string, Partial<EnvelopePlace>]>([
    ['tenant', { tenantId: 'globex' }],
    ['table', { table: 'providers' }],
    ['row', { rowId: 'row-2' }],
    ['tenant and table, told apart otherwise', { tenantId: 'acme","webhook_secrets', table: '' }],
  ])('opens an envelope at its own place alone: not with another %s', (_what, other) => {
    const envelope = ring.encrypt(SECRET, PLACE);
    expect(failureOf(() => ring.decrypt(envelope, { ...PLACE, ...other }))).toBe('damaged');
    expect(failureOf(() => ring.rewrap(envelope, { ...PLACE, ...other }))).toBe('damaged');
  });

  it('does not put the content of one envelope under the data key of another', () => {
    const [one, other] = [ring.encrypt(SECRET, PLACE), ring.encrypt(SECRET, PLACE)];
    const mixed = Buffer.concat([one.subarray(0, 65), other.subarray(65)]);
    expect(failureOf(() => ring.decrypt(mixed, PLACE))).toBe('damaged');
  });

  it('encrypts under the newest key, and opens what was encrypted under an older one', () => {
    const old = new EncryptionKeyRing([OLD]).encrypt(SECRET, PLACE);
    expect(ring.decrypt(old, PLACE)).toEqual(SECRET);
    expect(failureOf(() => new EncryptionKeyRing([OLD]).decrypt(ring.encrypt(SECRET, PLACE), PLACE))).toBe(
      'unknown_key',
    );
  });

  it('moves an envelope to the newest key, after which the older one may go', () => {
    const moved = ring.rewrap(new EncryptionKeyRing([OLD]).encrypt(SECRET, PLACE), PLACE);
    expect(new EncryptionKeyRing([NEW]).decrypt(moved, PLACE)).toEqual(SECRET);
  });

  it('says which key is missing where it was taken away too early', () => {
    const envelope = ring.encrypt(SECRET, PLACE);
    expect(() => new EncryptionKeyRing([OLD]).decrypt(envelope, PLACE)).toThrow(
      'A secret is encrypted under version 2 of GATEHOUSE_ENCRYPTION_KEYS, which is not set any more',
    );
  });

  it('does not exist without a key', () => {
    expect(() => new EncryptionKeyRing([])).toThrow(RangeError);
  });
});
