import { randomBase62, type PepperRing } from '../platform/crypto/index.js';
import type { Database } from '../platform/database/index.js';
import { Fault } from '../platform/errors/index.js';
import type { AuditAction, AuditDetails, Events } from '../platform/events/index.js';
import { expiryOf, newInvitationToken } from './invitation-tokens.js';
import { inviteMemberRequest } from './invitations.dto.js';
import { InvitationsRepository } from './invitations.repository.js';
import { withFreeSlug } from './org-founding.js';
import { OrgsRepository } from './orgs.repository.js';

/** The operator, as inviter: the id of no user. */
const OPERATOR = '';
const ACTOR = { type: 'system', id: 'operator' } as const;

export interface InvitedOwner {
  /** False: the org exists already, and earlier invitations of this address no longer hold. */
  readonly created: boolean;
  readonly orgId: string;
  readonly tenantId: string;
  /** Shown this once. */
  readonly token: string;
  readonly expiresAt: Date;
}

/**
 * An org whose owner the sign-in has not named yet. The owner's place is an invitation: who holds its token and proves the
 * address to the issuer takes it, once and within 7 days. Until then the org has no member.
 *
 * @throws Fault invalid_input: not an e-mail address; already_exists: the invitation was accepted; unavailable
 */
export async function inviteFirstOwner(
  { database, events, peppers }: { database: Database; events: Events; peppers: PepperRing },
  name: string,
  address: string,
): Promise<InvitedOwner> {
  const parsed = inviteMemberRequest.shape.email.safeParse(address);
  if (!parsed.success) throw new Fault('invalid_input', 'email: must be an e-mail address.');
  const email = parsed.data;
  const token = newInvitationToken();
  const orgs = new OrgsRepository(database);
  const invitations = new InvitationsRepository();
  return database.acrossTenants(ACTOR.id, async (tx, enter) => {
    const { result, orgId, tenantId } = await withFreeSlug({ name, slug: '' }, (names) =>
      orgs.createForInvitee(tx, email, names),
    );
    if (result === 'accepted')
      throw new Fault('already_exists', `The org exists (${orgId}), and its owner has accepted the invitation.`);
    await enter(tenantId);
    const org = { tx, orgId };
    const publish = <Action extends AuditAction>(
      action: Action,
      type: string,
      resourceId: string,
      details: AuditDetails<Action>,
    ): Promise<void> =>
      events.publish(tx, { action, actor: ACTOR, tenantId: null, resource: { type, id: resourceId }, details });
    if (result === 'created') await publish('org.created', 'org', orgId, {});
    const createdAt = await orgs.now(tx);
    for (const id of await invitations.revokeOpen(org, email, createdAt))
      await publish('invitation.revoked', 'invitation', id, {});
    const id = `invitation_${randomBase62(20)}`;
    const expiresAt = expiryOf(createdAt);
    const tokenHash = peppers.hash(token);
    await invitations.create(org, { id, email, role: 'owner', tokenHash, invitedBy: OPERATOR, createdAt, expiresAt });
    await publish('member.invited', 'invitation', id, { role: 'owner' });
    return { created: result === 'created', orgId, tenantId, token, expiresAt };
  });
}
