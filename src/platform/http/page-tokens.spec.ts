import fc from 'fast-check';
import { testPepper } from '../../../test/support/settings.js';
import { PepperRing } from '../crypto/index.js';
import { Fault } from '../errors/index.js';
import { PageTokens } from './page-tokens.js';

const SCOPE = 'api-keys/list:acme-a1b2c3';
const CURSOR = [1_900_000_000_000, 'key_x'] as const;

const [OLD, NEW] = [testPepper(1), testPepper(2)];
const tokens = (...peppers: ConstructorParameters<typeof PepperRing>[0]): PageTokens =>
  new PageTokens(new PepperRing(peppers));

function refused(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({ kind: 'invalid_input', fields: [{ field: 'pageToken' }] });
    return true;
  }
}

it('a page token returns the place that it was made for', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.oneof(fc.integer(), fc.string()), { maxLength: 3 }), (scope, cursor) => {
      expect(tokens(OLD).read(scope, tokens(OLD).write(scope, cursor))).toEqual(cursor);
    }),
  );
});

it('the empty token is the first page', () => {
  expect(tokens(OLD).read(SCOPE, '')).toBeNull();
});

it.each([
  'api-keys/list:acme-a1b2c4',
  'api-keys/list:',
  'audit/list:acme-a1b2c3',
  'api-keys/list:acme-a1b2c3:ACTIVE',
  '',
])('a token of another tenant, route or filter is refused: %s', (scope) => {
  expect(refused(() => tokens(OLD).read(scope, tokens(OLD).write(SCOPE, CURSOR)))).toBe(true);
});

it('a token with any bit changed is refused', () => {
  const bytes = Buffer.from(tokens(OLD).write(SCOPE, CURSOR), 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const tampered = Buffer.from(bytes);
    tampered[bit >> 3]! ^= 1 << (bit & 7);
    expect(refused(() => tokens(OLD).read(SCOPE, tampered.toString('base64url')))).toBe(true);
  }
});

it('a token that was cut or extended is refused', () => {
  const bytes = Buffer.from(tokens(OLD).write(SCOPE, CURSOR), 'base64url');
  for (let length = 1; length < bytes.length; length += 1) {
    expect(refused(() => tokens(OLD).read(SCOPE, bytes.subarray(0, length).toString('base64url')))).toBe(true);
  }
  expect(refused(() => tokens(OLD).read(SCOPE, Buffer.concat([bytes, Buffer.from(' ')]).toString('base64url')))).toBe(
    true,
  );
});

it('an invented token is refused', () => {
  const forged = [
    JSON.stringify(CURSOR),
    '!',
    '....',
    'null',
    Buffer.alloc(16).toString('base64url'),
    Buffer.alloc(40).toString('base64url'),
  ];
  for (const token of [...forged, Buffer.from(JSON.stringify(CURSOR)).toString('base64url')]) {
    expect(refused(() => tokens(OLD).read(SCOPE, token))).toBe(true);
  }
});

it('a token survives a change of pepper while the old one is still listed, and no longer', () => {
  const token = tokens(OLD).write(SCOPE, CURSOR);
  expect(tokens(NEW, OLD).read(SCOPE, token)).toEqual(CURSOR);
  expect(refused(() => tokens(NEW).read(SCOPE, token))).toBe(true);
});
