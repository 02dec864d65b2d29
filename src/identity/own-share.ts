import { sourceOf } from '../platform/http/index.js';
import type { Principal } from './principal.js';

/**
 * Whose part of what all tenants share a caller has who belongs to no tenant: each address its own, since one of them must not
 * fill what is for all who come without a credential. Null: the part of the caller's tenant.
 */
export function ownShareOf(principal: Principal, address: string): string | null {
  switch (principal.kind) {
    case 'sealedToken':
      return principal.keyId === null ? shareAt(principal.tenantId, address) : null;
    case 'anonymous':
      return principal.gatewayId === null ? shareAt(principal.tenantId, address) : null;
    default:
      return null;
  }
}

function shareAt(tenantId: string, address: string): string {
  return `${tenantId}@${sourceOf(address)}`;
}
