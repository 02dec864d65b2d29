import type { AccessRule, PrincipalKind } from '../identity/index.js';

const SCOPE = { scope: 'chat:write' } as const;

/** Who may complete chats, and see the models that a completion can name. */
export const CHATTING = {
  dashboardUser: SCOPE,
  secretKey: SCOPE,
  impersonation: SCOPE,
  endUser: SCOPE,
  usageToken: SCOPE,
} satisfies AccessRule;

export const CHATTING_KINDS = Object.keys(CHATTING) as readonly PrincipalKind[];
