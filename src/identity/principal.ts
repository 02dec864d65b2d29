import { createHash } from 'node:crypto';
import type { Role, Scope } from './scope.js';

/**
 * Who a request is: exactly one frozen value, whatever was presented. Nothing downstream of authentication reads a header
 * to learn who is asking. Optional fields, database rows and secrets have no place in it.
 *
 * A room that adds a kind finds the exhaustive functions below: they refuse to compile until each says what it means.
 */
export type Principal =
  | AccountPrincipal
  | DashboardUserPrincipal
  | SecretKeyPrincipal
  | ImpersonationPrincipal
  | EndUserPrincipal
  | UsageTokenPrincipal
  | SealedTokenPrincipal
  | GatewayTokenPrincipal
  | AnonymousPrincipal;

/** What the issuer says of a signed-in person. */
interface SignedIn {
  readonly userId: string;
  readonly email: string | null;
  /** Whether the issuer vouches that the address is this person's. */
  readonly emailVerified: boolean;
}

/**
 * A signed-in person outside any tenant: may only make or list orgs, or accept an invitation. `claimsTenant`: the token
 * named a tenant in which this person has no membership.
 */
export interface AccountPrincipal extends SignedIn {
  readonly kind: 'account';
  readonly claimsTenant: boolean;
}

/** A signed-in person in one tenant; the role is our membership row's, never the claim's. */
export interface DashboardUserPrincipal extends SignedIn {
  readonly kind: 'dashboardUser';
  readonly tenantId: string;
  readonly role: Role;
}

interface KeyHolder {
  readonly tenantId: string;
  readonly keyId: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly requestsPerMinute: number;
}

/** A tenant's server, by its `sk_` key. `human`: whose limits are charged, where the caller names one (`x-human-id`). */
export interface SecretKeyPrincipal extends KeyHolder {
  readonly kind: 'secretKey';
  readonly human: string | null;
}

/** A tenant's server acting as one of its humans (`X-On-Behalf-Of`): both stand in the audit log. */
export interface ImpersonationPrincipal extends KeyHolder {
  readonly kind: 'impersonation';
  readonly human: string;
}

/** A tenant's end user: a `pk_` key and a JWT of that key's issuer, together. */
export interface EndUserPrincipal extends KeyHolder {
  readonly kind: 'endUser';
  readonly human: string;
  /** What the browser said; null: no browser. */
  readonly origin: string | null;
  readonly requestsPerMinutePerHuman: number;
}

/**
 * A tenant's human by a usage token: the pairing of that human and the secret key that made the token. `scopes` are what a
 * token may hold and its key holds now.
 */
export interface UsageTokenPrincipal {
  readonly kind: 'usageToken';
  readonly tenantId: string;
  readonly tokenId: string;
  readonly keyId: string;
  readonly human: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly requestsPerMinutePerHuman: number;
}

/**
 * An app by a sealed access token, which brings its providers' secrets in itself. They stand in no principal: the room
 * that opened the token has them.
 */
export interface SealedTokenPrincipal {
  readonly kind: 'sealedToken';
  readonly tenantId: string;
  /** SHA-256 of the token's `jti`, in hex: the token itself is stored nowhere. */
  readonly tokenId: string;
  /** The secret key that the token was made with; null: it was made without one, and is the anonymous tenant's. */
  readonly keyId: string | null;
}

/** An app by a token of one gateway. */
export interface GatewayTokenPrincipal {
  readonly kind: 'gatewayToken';
  readonly tenantId: string;
  readonly gatewayId: string;
  readonly tokenId: string;
}

/** A caller who presents nothing, where that is allowed: at a gateway that is open, or (null) to those without a tenant. */
export interface AnonymousPrincipal {
  readonly kind: 'anonymous';
  readonly tenantId: string;
  readonly gatewayId: string | null;
}

export type PrincipalKind = Principal['kind'];

/** Those who can change something: they alone stand in the audit log. */
export type ActingPrincipal = Exclude<Principal, { readonly kind: 'sealedToken' | 'gatewayToken' | 'anonymous' }>;

/** Who acts, as the audit log names them. Holds ids, never secrets; an end user or a usage token is told
 * apart by the human beside it. */
export interface Actor {
  readonly type: 'user' | 'key';
  readonly id: string;
}

export function auditActor(principal: ActingPrincipal): Actor {
  switch (principal.kind) {
    case 'account':
    case 'dashboardUser':
      return { type: 'user', id: principal.userId };
    case 'secretKey':
    case 'impersonation':
    case 'endUser':
    case 'usageToken':
      return { type: 'key', id: principal.keyId };
    default:
      return unknownKind(principal);
  }
}

/** As log lines name the principal. */
export function auditSubject(principal: Principal): string {
  switch (principal.kind) {
    case 'sealedToken':
      return `sealed-token:${principal.tokenId}`;
    case 'gatewayToken':
      return `gateway-token:${principal.tokenId}`;
    case 'anonymous':
      return principal.gatewayId === null ? 'anonymous' : `gateway:${principal.gatewayId}`;
    default: {
      const { type, id } = auditActor(principal);
      return `${type}:${id}`;
    }
  }
}

/** The human whose limits a request is charged to; null: none. */
export function chargedHuman(principal: Principal): string | null {
  switch (principal.kind) {
    case 'account':
    case 'dashboardUser':
    case 'sealedToken':
    case 'gatewayToken':
    case 'anonymous':
      return null;
    case 'secretKey':
    case 'impersonation':
    case 'endUser':
    case 'usageToken':
      return principal.human;
    default:
      return unknownKind(principal);
  }
}

/**
 * Whose request window a request is counted in first. A key's humans have one each, before the key's own. Null: it is
 * counted by the quotas of its own kind instead.
 */
export function throttleKey(principal: Principal): string | null {
  switch (principal.kind) {
    case 'account':
    case 'dashboardUser':
      return `user:${principal.userId}`;
    case 'secretKey':
    case 'impersonation':
      return `key:${principal.keyId}`;
    case 'endUser':
    case 'usageToken':
      // A hash: the name of the counted human is not stored, and the length is bounded.
      return `key:${principal.keyId}:human:${createHash('sha256').update(principal.human).digest('base64url')}`;
    case 'sealedToken':
    case 'gatewayToken':
    case 'anonymous':
      return null;
    default:
      return unknownKind(principal);
  }
}

/** Who owns the threads that this principal makes; null: none. */
export function threadOwner(principal: Principal): string | null {
  switch (principal.kind) {
    case 'account':
    case 'gatewayToken':
    case 'anonymous':
      return null;
    case 'sealedToken':
      return `sealed-token:${principal.tokenId}`;
    case 'dashboardUser':
      return `user:${principal.userId}`;
    case 'secretKey':
      return `tenant:${principal.tenantId}`;
    case 'impersonation':
    case 'endUser':
    case 'usageToken':
      return `human:${principal.human}`;
    default:
      return unknownKind(principal);
  }
}

/** Whether two principals are the same one with the same rights: what may have changed between two looks. */
export function maySame(one: Principal, other: Principal): boolean {
  return JSON.stringify(rightsOf(one)) === JSON.stringify(rightsOf(other));
}

function rightsOf(principal: Principal): unknown {
  const rest = Object.entries(principal).filter(([name]) => name !== 'scopes');
  return ['scopes' in principal ? [...principal.scopes].sort() : null, ...rest.sort(([a], [b]) => (a < b ? -1 : 1))];
}

function unknownKind(principal: never): never {
  throw new TypeError(`Unhandled kind of principal: ${JSON.stringify(principal)}`);
}
