import type { Me, Scope } from '../../api/types.js';

/** Scopes beyond a server's daily work; a new key does not have them unless the user chooses them. */
const FAR: ReadonlySet<string> = new Set([
  'users:impersonate',
  'audit:read',
  'webhooks:write',
  'gateways:write',
  'providers:write',
]);
/** All scopes that a key in an app can hold. */
const PUBLISHABLE = [
  'conversations:read',
  'conversations:write',
  'chat:write',
  'usage:read',
] as const satisfies readonly Scope[];

export const publishableOf = (scopes: readonly Scope[]) => PUBLISHABLE.filter((scope) => scopes.includes(scope));

export const isFar = (scope: Scope): boolean => FAR.has(scope);

/** The scopes that the user may grant: those of the user's own role. */
export function grantable({ scopes }: Me, publishable: boolean): readonly Scope[] {
  return publishable ? publishableOf(scopes) : scopes;
}

/** The scopes by resource, in the order of the API. */
export function groupsOf(scopes: readonly Scope[]): ReadonlyMap<string, readonly Scope[]> {
  return Map.groupBy(scopes, (scope) => scope.split(':')[0] ?? '');
}
