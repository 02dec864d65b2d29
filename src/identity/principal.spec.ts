import { auditSubject, threadOwner, throttleKey, type Principal } from './principal.js';

const ACCOUNT: Principal = { kind: 'account', userId: 'ann', email: 'ann@example.org', claimsTenant: true };
const USER: Principal = { kind: 'dashboardUser', tenantId: 'acme', userId: 'ann', role: 'admin' };
const KEY: Principal = { kind: 'secretKey', tenantId: 'acme', keyId: 'key_1', scopes: new Set(), requestsPerMinute: 5 };

it.each<[Principal, string, string, string | null]>([
  [ACCOUNT, 'user:ann', 'user:ann', null],
  [USER, 'user:ann', 'user:ann', 'user:ann'],
  [KEY, 'key:key_1', 'key:key_1', 'tenant:acme'],
])('%j is named, counted and owns threads as the contract says', (principal, subject, window, owner) => {
  expect([auditSubject(principal), throttleKey(principal), threadOwner(principal)]).toEqual([subject, window, owner]);
});

it('a user and a key of the same id share no window', () => {
  expect(throttleKey({ ...USER, userId: 'same' })).not.toBe(throttleKey({ ...KEY, keyId: 'same' }));
});

it.each([auditSubject, throttleKey, threadOwner])(
  'a kind that nobody thought of is an error, not a default: $name',
  (of) => {
    expect(() => of({ kind: 'system' } as unknown as Principal)).toThrow(TypeError);
  },
);
