import { SCOPES, type Role, type Scope } from '../../identity/index.js';
import type { ChatPrincipal } from '../access/chat-access.js';

/** Who asked for a run, as it is stored: what its charges need, and no name of a person. */
type StoredCaller =
  | { readonly userId: string; readonly role: Role }
  | {
      readonly keyId: string;
      readonly scopes: readonly Scope[];
      readonly requestsPerMinute: number;
      /** Of a usage token. */
      readonly tokenId?: string;
    };

export function storedCaller(principal: ChatPrincipal): string {
  return JSON.stringify(packed(principal));
}

function packed(principal: ChatPrincipal): StoredCaller {
  switch (principal.kind) {
    case 'dashboardUser':
      return { userId: principal.userId, role: principal.role };
    case 'usageToken': {
      const { keyId, tokenId, scopes, requestsPerMinutePerHuman } = principal;
      return { keyId, tokenId, scopes: [...scopes], requestsPerMinute: requestsPerMinutePerHuman };
    }
    case 'secretKey':
    case 'impersonation':
    case 'endUser':
      return {
        keyId: principal.keyId,
        scopes: [...principal.scopes],
        requestsPerMinute: principal.requestsPerMinute,
      };
  }
}

/**
 * The principal whose run it is, for its call's charges. A human who came by a key is charged, and the call is the
 * key's: the request that began the run was audited by itself.
 */
export function callerOf(tenantId: string, stored: unknown, human: string | null): ChatPrincipal {
  const caller = stored as StoredCaller;
  if ('userId' in caller) {
    const { userId, role } = caller;
    return { kind: 'dashboardUser', tenantId, userId, role, email: null, emailVerified: false };
  }
  const { keyId, tokenId, requestsPerMinute } = caller;
  const scopes = new Set(SCOPES.filter((scope) => caller.scopes.includes(scope)));
  if (tokenId === undefined || human === null)
    return { kind: 'secretKey', tenantId, keyId, scopes, requestsPerMinute, human };
  return { kind: 'usageToken', tenantId, tokenId, keyId, human, scopes, requestsPerMinutePerHuman: requestsPerMinute };
}
