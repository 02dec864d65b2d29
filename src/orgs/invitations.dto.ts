import { z } from 'zod';
import { ROLES } from '../identity/index.js';
import { text } from '../platform/protojson/index.js';
import { dateTime, id, membershipView, notice, orgView, role } from './orgs.dto.js';

const MAX_EMAIL_LENGTH = 320;
/** Letters of any script (RFC 6531). No real address is in quotes, or has a domain that is not a name. */
const EMAIL =
  /^(?!\.)(?!.*\.\.)[\p{L}\p{M}\p{N}_'+.-]*[\p{L}\p{M}\p{N}_+-]@(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?\.)+[\p{L}\p{M}\p{N}-]{2,}$/u;
/** A character that only looks like another one would make it another address than was meant. */
const LOOKALIKE = /[\u2126\u212a\u212b]/;
const isEmail = (email: string): boolean => {
  const composed = email.normalize('NFC');
  return EMAIL.test(composed) && composed.normalize('NFKC') === composed && !LOOKALIKE.test(email);
};

export const inviteMemberRequest = z.strictObject({
  email: text(1, MAX_EMAIL_LENGTH)
    .refine((email) => isEmail(email), 'must be an e-mail address')
    .transform((email) => email.normalize('NFC').toLowerCase())
    .meta({ format: 'email' }),
  role,
});
export type InviteMemberRequest = z.output<typeof inviteMemberRequest>;

export const revokeInvitationRequest = z.strictObject({ invitationId: id });
export type RevokeInvitationRequest = z.output<typeof revokeInvitationRequest>;

export const acceptInvitationRequest = z.strictObject({ token: text(1, 200) });
export type AcceptInvitationRequest = z.output<typeof acceptInvitationRequest>;

const invitationView = z
  .object({
    id: z.string(),
    email: z.string(),
    role: z.enum(ROLES),
    status: z.enum(['PENDING']),
    createdAt: dateTime,
    expiresAt: dateTime,
  })
  .meta({ 'x-name': 'Invitation' });

export const inviteMemberResponse = z.object({
  invitation: invitationView,
  link: z.string().optional().meta({ description: 'For the invited person; shown this once.' }),
  token: z.string().optional().meta({ description: 'What the link carries; shown this once.' }),
  notice,
});
export const listInvitationsResponse = z.object({ invitations: z.array(invitationView), nextPageToken: z.string() });
export const acceptInvitationResponse = z.object({ org: orgView, membership: membershipView });
