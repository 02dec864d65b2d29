import { chargedHuman } from '../../identity/index.js';
import type { Reservation } from '../../usage/index.js';
import type { CallPrincipal } from '../access/chat-access.js';

/** Who pays for a call: each of them may have budgets, and the ledger names them all. */
export type Charges = Pick<
  Reservation,
  'tenantId' | 'keyId' | 'userId' | 'human' | 'gatewayId' | 'gatewayTokenId' | 'sealedTokenHash'
>;

export function chargesOf(principal: CallPrincipal): Charges {
  const charges: Charges = {
    tenantId: principal.tenantId,
    keyId: null,
    userId: null,
    human: chargedHuman(principal),
    gatewayId: null,
    gatewayTokenId: null,
    sealedTokenHash: null,
  };
  switch (principal.kind) {
    case 'dashboardUser':
      return { ...charges, userId: principal.userId };
    case 'secretKey':
    case 'impersonation':
    case 'endUser':
    case 'usageToken':
      return { ...charges, keyId: principal.keyId };
    case 'sealedToken':
      return { ...charges, keyId: principal.keyId, sealedTokenHash: principal.tokenId };
    case 'gatewayToken':
      return { ...charges, gatewayId: principal.gatewayId, gatewayTokenId: principal.tokenId };
    case 'anonymous':
      return { ...charges, gatewayId: principal.gatewayId };
    default:
      return principal satisfies never;
  }
}
