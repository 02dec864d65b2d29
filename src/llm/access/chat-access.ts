import type { AccessRule, Principal, PrincipalKind } from '../../identity/index.js';

const SCOPE = { scope: 'chat:write' } as const;

/** Who may have models called, and see the models that a call can name. */
export const CHATTING = {
  dashboardUser: SCOPE,
  secretKey: SCOPE,
  impersonation: SCOPE,
  endUser: SCOPE,
  usageToken: SCOPE,
} satisfies AccessRule;

export type ChatPrincipal = Extract<Principal, { kind: keyof typeof CHATTING }>;

export const CHATTING_KINDS = Object.keys(CHATTING) as readonly PrincipalKind[];
