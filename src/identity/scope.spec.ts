import { ROLES, ROLE_SCOPES, SCOPES, defaultKeyScopes, isRole, isScope, type Role } from './scope.js';

/** Written by hand, not derived from the code. */
const ALL = [
  'conversations:read',
  'conversations:write',
  'users:impersonate',
  'chat:write',
  'usage:read',
  'usage:write',
  'humans:read',
  'humans:write',
  'gateways:read',
  'gateways:write',
  'webhooks:read',
  'webhooks:write',
  'providers:read',
  'providers:write',
  'audit:read',
];
const DEVELOPER = [
  'conversations:read',
  'conversations:write',
  'chat:write',
  'usage:read',
  'usage:write',
  'humans:read',
  'humans:write',
  'gateways:read',
  'gateways:write',
  'webhooks:read',
  'webhooks:write',
  'providers:read',
  'providers:write',
];
const VIEWER = ['conversations:read', 'usage:read', 'humans:read', 'gateways:read', 'webhooks:read', 'providers:read'];
/** A new key's scopes, where its maker may grant all of them. */
const NEW_KEY = [
  'conversations:read',
  'conversations:write',
  'chat:write',
  'usage:read',
  'usage:write',
  'humans:read',
  'humans:write',
  'gateways:read',
  'webhooks:read',
  'providers:read',
];

const sorted = (scopes: Iterable<string>): string[] => [...scopes].sort();

it('the scopes are the published ones', () => {
  expect(sorted(SCOPES)).toEqual(sorted(ALL));
});

it('the roles are the published ones', () => {
  expect(sorted(ROLES)).toEqual(['admin', 'developer', 'owner', 'viewer']);
});

it.each<[Role, string[]]>([
  ['owner', ALL],
  ['admin', ALL],
  ['developer', DEVELOPER],
  ['viewer', VIEWER],
])('the role %s holds its scopes and no other', (role, scopes) => {
  expect(sorted(ROLE_SCOPES[role])).toEqual(sorted(scopes));
});

it.each<[Role, string[]]>([
  ['owner', NEW_KEY],
  ['admin', NEW_KEY],
  ['developer', NEW_KEY],
  ['viewer', VIEWER],
])(
  'a key that a role of %s makes without naming scopes gets no far-reaching scope, and none beyond the role',
  (role, scopes) => {
    expect(sorted(defaultKeyScopes(role))).toEqual(sorted(scopes));
  },
);

it.each(['', 'chat', 'chat:write ', 'Chat:write', 'chat:*', '*', 'constructor', '__proto__'])(
  '%j is not a scope',
  (text) => {
    expect(isScope(text)).toBe(false);
  },
);

it.each(['', 'Owner', 'root', 'constructor', '__proto__', null, undefined, 1, ['owner']])(
  '%j is not a role',
  (value) => {
    expect(isRole(value)).toBe(false);
  },
);
