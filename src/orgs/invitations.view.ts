import { formatTimestamp } from '../platform/protojson/index.js';
import type { InvitationRecord } from './invitations.repository.js';

/** An invitation that can still be accepted. */
export function viewInvitation({ id, email, role, createdAt, expiresAt }: InvitationRecord): object {
  return {
    id,
    email,
    role,
    status: 'PENDING',
    createdAt: formatTimestamp(createdAt),
    expiresAt: formatTimestamp(expiresAt),
  };
}
