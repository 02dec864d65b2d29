import type { Role, Scope } from './scope.js';

/**
 * Who a request is: exactly one frozen value, whatever was presented. Nothing downstream of authentication reads a header
 * to learn who is asking. Optional fields, database rows and secrets have no place in it.
 *
 * Later rooms add their kinds here (impersonation, endUser, usageToken, sealedToken, anonymous, gatewayToken, system);
 * the exhaustive functions below then refuse to compile until each says what it means.
 */
export type Principal = AccountPrincipal | DashboardUserPrincipal | SecretKeyPrincipal;

/**
 * A signed-in person outside any tenant: may only make or list orgs. `claimsTenant`: the token named a tenant in which
 * this person has no membership.
 */
export interface AccountPrincipal {
  readonly kind: 'account';
  readonly userId: string;
  readonly email: string | null;
  readonly claimsTenant: boolean;
}

/** A signed-in person in one tenant; the role is our membership row's, never the claim's. */
export interface DashboardUserPrincipal {
  readonly kind: 'dashboardUser';
  readonly tenantId: string;
  readonly userId: string;
  readonly role: Role;
}

/** A tenant's server, by its `sk_` key. */
export interface SecretKeyPrincipal {
  readonly kind: 'secretKey';
  readonly tenantId: string;
  readonly keyId: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly requestsPerMinute: number;
}

export type PrincipalKind = Principal['kind'];

/** How the audit log and the request's log lines name the principal. Holds ids, never secrets. */
export function auditSubject(principal: Principal): string {
  switch (principal.kind) {
    case 'account':
    case 'dashboardUser':
      return `user:${principal.userId}`;
    case 'secretKey':
      return `key:${principal.keyId}`;
    default:
      return unknownKind(principal);
  }
}

/** Whose request window a request is counted in. */
export function throttleKey(principal: Principal): string {
  switch (principal.kind) {
    case 'account':
    case 'dashboardUser':
      return `user:${principal.userId}`;
    case 'secretKey':
      return `key:${principal.keyId}`;
    default:
      return unknownKind(principal);
  }
}

/** Who owns the threads that this principal makes; null: none. */
export function threadOwner(principal: Principal): string | null {
  switch (principal.kind) {
    case 'account':
      return null;
    case 'dashboardUser':
      return `user:${principal.userId}`;
    case 'secretKey':
      return `tenant:${principal.tenantId}`;
    default:
      return unknownKind(principal);
  }
}

function unknownKind(principal: never): never {
  throw new TypeError(`Unhandled kind of principal: ${JSON.stringify(principal)}`);
}
