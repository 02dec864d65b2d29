import { auditSubject, threadOwner } from '../../identity/index.js';
import type { ChatPrincipal } from '../access/chat-access.js';
import type { ThreadOwner } from '../runs/run.types.js';

const OF_HUMAN = 'human:';
const OF_TENANT = 'tenant:';

/** Whose threads a caller makes and sees, as they are stored. */
export function storedOwner(principal: ChatPrincipal): ThreadOwner {
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
