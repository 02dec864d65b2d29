import type {
  AccessRule,
  AnonymousPrincipal,
  GatewayTokenPrincipal,
  Principal,
  PrincipalKind,
  SealedTokenPrincipal,
} from '../../identity/index.js';

const SCOPE = { scope: 'chat:write' } as const;

/** Who may have models called by the tenant's providers, and see the models that a call can name. */
export const CHATTING = {
  dashboardUser: SCOPE,
  secretKey: SCOPE,
  impersonation: SCOPE,
  endUser: SCOPE,
  usageToken: SCOPE,
} satisfies AccessRule;

export type ChatPrincipal = Extract<Principal, { kind: keyof typeof CHATTING }>;

/** Who brings the providers of their calls: in a token, or by a gateway. */
export type BringingPrincipal = SealedTokenPrincipal | GatewayTokenPrincipal | AnonymousPrincipal;

/** Who may on the routes of OpenAI's clients: those, and sealed access tokens. */
export const CALLING = { ...CHATTING, sealedToken: true } satisfies AccessRule;

export type CallingPrincipal = ChatPrincipal | SealedTokenPrincipal;

/** Everybody who can have a model called. */
export type CallPrincipal = ChatPrincipal | BringingPrincipal;

export const CHATTING_KINDS = Object.keys(CHATTING) as readonly PrincipalKind[];
export const CALLING_KINDS = Object.keys(CALLING) as readonly PrincipalKind[];

const READING = { scope: 'conversations:read' } as const;
const WRITING = { scope: 'conversations:write' } as const;

/** Who may read what is kept of conversations, of the own identity alone. */
export const READING_CONVERSATIONS = {
  dashboardUser: READING,
  secretKey: READING,
  impersonation: READING,
  endUser: READING,
  usageToken: READING,
} satisfies AccessRule;

/** Who may keep something there. */
export const CONVERSING = {
  dashboardUser: WRITING,
  secretKey: WRITING,
  impersonation: WRITING,
  endUser: WRITING,
  usageToken: WRITING,
} satisfies AccessRule;
