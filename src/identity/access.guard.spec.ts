import { Fault } from '../platform/errors/index.js';
import type { AccessRule } from './access.decorator.js';
import { assertAllowed } from './access.guard.js';
import type { Principal } from './principal.js';
import { ROLES, SCOPES, type Role, type Scope } from './scope.js';

const PERSON = { userId: 'u', email: null, emailVerified: false };
const account = (claimsTenant = false): Principal => ({ kind: 'account', ...PERSON, claimsTenant });
const user = (role: Role): Principal => ({ kind: 'dashboardUser', ...PERSON, tenantId: 't', role });
const held = (scopes: readonly Scope[]) =>
  ({ tenantId: 't', keyId: 'k', scopes: new Set(scopes), requestsPerMinute: 1 }) as const;
const key = (...scopes: Scope[]): Principal => ({ kind: 'secretKey', ...held(scopes), human: null });
const impersonation = (...scopes: Scope[]): Principal => ({ kind: 'impersonation', ...held(scopes), human: 'h' });
const endUser = (...scopes: Scope[]): Principal => ({
  kind: 'endUser',
  ...held(scopes),
  human: 'h',
  origin: null,
  requestsPerMinutePerHuman: 1,
});
const usageToken = (...scopes: Scope[]): Principal => ({
  kind: 'usageToken',
  ...{ tenantId: 't', tokenId: 'ut', keyId: 'k', human: 'h' },
  scopes: new Set(scopes),
  requestsPerMinutePerHuman: 1,
});

const PRINCIPALS = {
  account: account(),
  owner: user('owner'),
  admin: user('admin'),
  developer: user('developer'),
  viewer: user('viewer'),
  'key without scopes': key(),
  'key with chat:write': key('chat:write'),
  'key with all scopes': key(...SCOPES),
  'on behalf without scopes': impersonation(),
  'on behalf with chat:write': impersonation('chat:write'),
  'end user without scopes': endUser(),
  'end user with chat:write': endUser('chat:write'),
  'usage token without scopes': usageToken(),
  'usage token with chat:write': usageToken('chat:write'),
} as const;
type Who = keyof typeof PRINCIPALS;

const EVERYBODY = Object.keys(PRINCIPALS) as Who[];

function allowed(rule: AccessRule): Who[] {
  return EVERYBODY.filter((who) => {
    try {
      assertAllowed(rule, PRINCIPALS[who]);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(Fault);
      const takesKeysAlone = Object.keys(rule).join() === 'secretKey';
      const told = takesKeysAlone && who.startsWith('usage token') ? 'unauthenticated' : 'permission_denied';
      expect((error as Fault).kind).toBe(told);
      return false;
    }
  });
}

/** Written by hand: the callers that a rule admits. */
const TABLE: [string, AccessRule, Who[]][] = [
  ['nobody is named', {}, []],
  ['accounts', { account: true }, ['account']],
  ['any dashboard user', { dashboardUser: true }, ['owner', 'admin', 'developer', 'viewer']],
  ['owners', { dashboardUser: { roles: ['owner'] } }, ['owner']],
  ['owners and admins', { dashboardUser: { roles: ['owner', 'admin'] } }, ['owner', 'admin']],
  ['viewers: roles are named one by one, none includes another', { dashboardUser: { roles: ['viewer'] } }, ['viewer']],
  ['no role at all', { dashboardUser: { roles: [] } }, []],
  ['dashboard users with chat:write', { dashboardUser: { scope: 'chat:write' } }, ['owner', 'admin', 'developer']],
  [
    'dashboard users with usage:read',
    { dashboardUser: { scope: 'usage:read' } },
    ['owner', 'admin', 'developer', 'viewer'],
  ],
  ['dashboard users with users:impersonate', { dashboardUser: { scope: 'users:impersonate' } }, ['owner', 'admin']],
  ['dashboard users with audit:read', { dashboardUser: { scope: 'audit:read' } }, ['owner', 'admin']],
  ['any secret key', { secretKey: true }, ['key without scopes', 'key with chat:write', 'key with all scopes']],
  [
    'secret keys with chat:write',
    { secretKey: { scope: 'chat:write' } },
    ['key with chat:write', 'key with all scopes'],
  ],
  ['secret keys with audit:read', { secretKey: { scope: 'audit:read' } }, ['key with all scopes']],
  ['anybody on behalf of a human', { impersonation: true }, ['on behalf without scopes', 'on behalf with chat:write']],
  ['whoever acts on behalf with chat:write', { impersonation: { scope: 'chat:write' } }, ['on behalf with chat:write']],
  ['any end user', { endUser: true }, ['end user without scopes', 'end user with chat:write']],
  ['end users with chat:write', { endUser: { scope: 'chat:write' } }, ['end user with chat:write']],
  ['any usage token', { usageToken: true }, ['usage token without scopes', 'usage token with chat:write']],
  ['usage tokens with chat:write', { usageToken: { scope: 'chat:write' } }, ['usage token with chat:write']],
  [
    'accounts and any dashboard user',
    { account: true, dashboardUser: true },
    ['account', 'owner', 'admin', 'developer', 'viewer'],
  ],
  [
    'developers up, and keys with chat:write',
    { dashboardUser: { roles: ['owner', 'admin', 'developer'] }, secretKey: { scope: 'chat:write' } },
    ['owner', 'admin', 'developer', 'key with chat:write', 'key with all scopes'],
  ],
];

it.each(TABLE)('a handler that is open to %s admits them and refuses all others', (_case, rule, expected) => {
  expect(allowed(rule)).toEqual(expected);
});

it('each role is admitted where only it is named, and nowhere else', () => {
  for (const role of ROLES) expect(allowed({ dashboardUser: { roles: [role] } })).toEqual([role]);
});

it.each([
  ['secretKey', key],
  ['impersonation', impersonation],
  ['endUser', endUser],
  ['usageToken', usageToken],
] as const)('each scope of a key opens the routes that need that scope, and no others: %s', (kind, make) => {
  for (const scope of SCOPES) {
    for (const wanted of SCOPES) {
      const enter = (): void => assertAllowed({ [kind]: { scope: wanted } }, make(scope));
      if (scope === wanted) expect(enter).not.toThrow();
      else expect(enter).toThrow(wanted);
    }
  }
});

it('a signed-in person without a tenant gets the reason: no claim, or no membership', () => {
  expect(() => assertAllowed({ dashboardUser: true }, account(false))).toThrow('tenant_id');
  expect(() => assertAllowed({ dashboardUser: true }, account(true))).toThrow('not a member');
});

it('a usage token is not a credential where only keys are accepted, and is forbidden elsewhere', () => {
  const refused = (rule: AccessRule): unknown => {
    try {
      return assertAllowed(rule, usageToken('usage:write'));
    } catch (error) {
      return (error as Fault).kind;
    }
  };
  expect(refused({ secretKey: { scope: 'usage:write' } })).toBe('unauthenticated');
  expect(refused({ secretKey: true })).toBe('unauthenticated');
  expect(refused({ secretKey: true, dashboardUser: true })).toBe('permission_denied');
  expect(refused({ dashboardUser: true })).toBe('permission_denied');
  expect(refused({})).toBe('permission_denied');
});

it('a principal of an unknown kind is refused', () => {
  const unknown = { kind: 'gatewayToken', tenantId: 't' } as unknown as Principal;
  const everybody = {
    account: true,
    dashboardUser: true,
    secretKey: true,
    impersonation: true,
    endUser: true,
    usageToken: true,
  } as const;
  expect(() => assertAllowed(everybody, unknown)).toThrow(Fault);
});
