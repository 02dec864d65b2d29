import { auditSubject, threadOwner } from '../../identity/index.js';
import type { ChatPrincipal } from './chat-access.js';

/** Whose something is, as it is stored; of a human, whose stored id only the database knows, the name. */
export type StoredOwner =
  { readonly owner: string; readonly human: null } | { readonly owner: null; readonly human: string };

const OF_HUMAN = 'human:';
const OF_TENANT = 'tenant:';

/** Whose threads and responses a caller makes and sees. */
export function storedOwner(principal: ChatPrincipal): StoredOwner {
  const owner = threadOwner(principal);
  if (owner === null) throw new TypeError('This kind of principal owns no threads.');
  if (owner.startsWith(OF_HUMAN)) return { owner: null, human: owner.slice(OF_HUMAN.length) };
  return { owner: owner.startsWith(OF_TENANT) ? 'tenant' : owner, human: null };
}

/** Whose Idempotency-Key it is. */
export function callerKey(principal: ChatPrincipal): string {
  const { owner, human } = storedOwner(principal);
  return `tenant:${principal.tenantId}:${auditSubject(principal)}:${owner ?? `human:${human}`}`;
}
