/** Every scope there is. A secret key may hold any; what else may hold which, stands below. */
export const SCOPES = [
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
] as const;

export type Scope = (typeof SCOPES)[number];

export const ROLES = ['owner', 'admin', 'developer', 'viewer'] as const;

/** A person's role in an org; it holds for all of the org's tenants. */
export type Role = (typeof ROLES)[number];

const READS: readonly Scope[] = SCOPES.filter((scope) => scope.endsWith(':read') && scope !== 'audit:read');

/** What a role may do, in scopes. A person can't grant a scope that their own role lacks. */
export const ROLE_SCOPES: Readonly<Record<Role, ReadonlySet<Scope>>> = {
  owner: new Set(SCOPES),
  admin: new Set(SCOPES),
  developer: new Set(SCOPES.filter((scope) => scope !== 'users:impersonate' && scope !== 'audit:read')),
  viewer: new Set(READS),
};

const NOT_BY_DEFAULT: ReadonlySet<Scope> = new Set<Scope>([
  'users:impersonate',
  'audit:read',
  'webhooks:write',
  'gateways:write',
  'providers:write',
]);

/** The scopes of a new secret key whose creator named none. */
export function defaultKeyScopes(creator: Role): Scope[] {
  return SCOPES.filter((scope) => ROLE_SCOPES[creator].has(scope) && !NOT_BY_DEFAULT.has(scope));
}

export function isScope(value: string): value is Scope {
  return (SCOPES as readonly string[]).includes(value);
}

export function isRole(value: unknown): value is Role {
  return (ROLES as readonly unknown[]).includes(value);
}
