import { auditActor, auditSubject, chargedHuman, threadOwner, throttleKey, type Principal } from './principal.js';

const PERSON = { userId: 'ann', email: 'ann@example.org', emailVerified: true };
const HOLDER = { tenantId: 'acme', keyId: 'key_1', scopes: new Set<never>(), requestsPerMinute: 5 };
const ACCOUNT: Principal = { kind: 'account', ...PERSON, claimsTenant: true };
const USER: Principal = { kind: 'dashboardUser', ...PERSON, tenantId: 'acme', role: 'admin' };
const KEY: Principal = { kind: 'secretKey', ...HOLDER, human: null };
const KEY_FOR_BEA: Principal = { ...KEY, human: 'bea' };
const AS_BEA: Principal = { kind: 'impersonation', ...HOLDER, human: 'bea' };
const BEA: Principal = { kind: 'endUser', ...HOLDER, human: 'bea', origin: null, requestsPerMinutePerHuman: 2 };
const TOKEN: Principal = {
  kind: 'usageToken',
  ...{ tenantId: 'acme', tokenId: 'ut_1', keyId: 'key_1', human: 'bea' },
  ...{ scopes: new Set<never>(), requestsPerMinutePerHuman: 2 },
};

describe.each<[string, Principal, string, string, string | null, string | null]>([
  ['an account', ACCOUNT, 'user:ann', 'user:ann', null, null],
  ['a dashboard user', USER, 'user:ann', 'user:ann', null, 'user:ann'],
  ['a secret key', KEY, 'key:key_1', 'key:key_1', null, 'tenant:acme'],
  ['a secret key that names a human to charge', KEY_FOR_BEA, 'key:key_1', 'key:key_1', 'bea', 'tenant:acme'],
  ['a secret key on behalf of a human', AS_BEA, 'key:key_1', 'key:key_1', 'bea', 'human:bea'],
])('%s', (_case, principal, subject, window, charged, owner) => {
  it('is named, counted, charged and owns threads as the contract says', () => {
    expect([auditSubject(principal), throttleKey(principal)]).toEqual([subject, window]);
    expect([chargedHuman(principal), threadOwner(principal)]).toEqual([charged, owner]);
  });
});

it('an end user acts by the key, and is charged and owns threads as the human', () => {
  expect(auditActor(BEA)).toEqual({ type: 'key', id: 'key_1' });
  expect([chargedHuman(BEA), threadOwner(BEA)]).toEqual(['bea', 'human:bea']);
});

it("a usage token acts by its key, is charged and owns threads as its human, and never counts in its key's window", () => {
  expect(auditActor(TOKEN)).toEqual({ type: 'key', id: 'key_1' });
  expect([chargedHuman(TOKEN), threadOwner(TOKEN)]).toEqual(['bea', 'human:bea']);
  expect(throttleKey(TOKEN)).not.toBe(throttleKey(KEY));
  expect(throttleKey({ ...TOKEN, tokenId: 'ut_2' })).toBe(throttleKey(TOKEN));
  expect(throttleKey({ ...TOKEN, human: 'cem' })).not.toBe(throttleKey(TOKEN));
});

it("each end user of a key has a window of their own, separate from the key's and from those at another key", () => {
  const windows = [
    throttleKey(BEA),
    throttleKey({ ...BEA, human: 'cem' }),
    throttleKey({ ...BEA, keyId: 'key_2' }),
    throttleKey(KEY),
  ];
  expect(new Set(windows).size).toBe(4);
  expect(throttleKey({ ...BEA })).toBe(throttleKey(BEA));
});

it("an end user's window is named by a hash: without the name, and of fixed length", () => {
  const window = throttleKey({ ...BEA, human: 'bea@example.org'.padEnd(256, '🙂') });
  expect(window).not.toContain('bea');
  expect(window).toHaveLength('key:key_1:human:'.length + 43);
});

it('a user and a key of the same id share no window', () => {
  expect(throttleKey({ ...USER, userId: 'same' })).not.toBe(throttleKey({ ...KEY, keyId: 'same' }));
});

const SEALED: Principal = { kind: 'sealedToken', tenantId: 'acme', tokenId: 'a1', keyId: 'key_1' };
const OF_GATEWAY: Principal = { kind: 'gatewayToken', tenantId: 'acme', gatewayId: 'gw_1', tokenId: 'gt_1' };
const AT_GATEWAY: Principal = { kind: 'anonymous', tenantId: 'acme', gatewayId: 'gw_1' };

it.each([
  ['a sealed token', SEALED, 'sealed-token:a1', 'sealed-token:a1'],
  ["a gateway's token", OF_GATEWAY, 'gateway-token:gt_1', null],
  ['a caller without a credential at a gateway', AT_GATEWAY, 'gateway:gw_1', null],
  ['a caller without a credential elsewhere', { ...AT_GATEWAY, gatewayId: null }, 'anonymous', null],
])('%s has quotas of its own instead of a window, and charges no human', (_case, principal, subject, owner) => {
  expect([auditSubject(principal), threadOwner(principal)]).toEqual([subject, owner]);
  expect([throttleKey(principal), chargedHuman(principal)]).toEqual([null, null]);
});

it.each([auditSubject, chargedHuman, throttleKey, threadOwner])(
  'an unknown kind is an error, not a default: $name',
  (of) => {
    expect(() => of({ kind: 'system' } as unknown as Principal)).toThrow(TypeError);
  },
);
