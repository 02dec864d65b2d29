import type { AccessRule, DashboardUserPrincipal, SecretKeyPrincipal } from '../identity/index.js';

/** Who looks after gateways: the tenant's own people and servers; never as a human. */
export type GatewayManager = DashboardUserPrincipal | SecretKeyPrincipal;

export const MANAGER_KINDS = ['dashboardUser', 'secretKey'] as const;

export const READS = {
  dashboardUser: { scope: 'gateways:read' },
  secretKey: { scope: 'gateways:read' },
} as const satisfies AccessRule;

export const WRITES = {
  dashboardUser: { scope: 'gateways:write' },
  secretKey: { scope: 'gateways:write' },
} as const satisfies AccessRule;
