import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { usePages } from '../../api/queries.js';
import type { Invitation } from '../../api/types.js';
import { Button } from '../../kit/button.js';
import { ConfirmAction } from '../../kit/confirm-action.js';
import { Panel, PanelHead } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { Time } from '../../kit/time.js';
import { m } from '../../messages/index.js';

export function Invitations() {
  const [revoking, setRevoking] = useState<Invitation | null>(null);
  const pages = usePages<Invitation>(['invitations'], async (pageToken, signal) => {
    const body = { pageToken };
    const { invitations, nextPageToken } = await answerOf(api.POST('/api/v1/orgs/list-invitations', { body, signal }));
    return { rows: invitations, nextPageToken };
  });
  return (
    <Panel label={m.members.invitations}>
      <PanelHead title={m.members.invitations} lead={m.members.invitationsLead} />
      <List
        label={m.members.invitations}
        pages={pages}
        keyOf={({ id }) => id}
        empty={<p className="px-5 pb-5 text-soft">{m.members.noInvitations}</p>}
        columns={[
          {
            head: m.members.email,
            className: 'max-w-80',
            cell: ({ email }) => <span className="block truncate font-medium">{email}</span>,
          },
          { head: m.members.role, cell: ({ role }) => m.roles[role] },
          { head: m.members.expires, cell: ({ expiresAt }) => <Time of={expiresAt} /> },
        ]}
        actions={(invitation) => (
          <Button size="small" look="ghost" onClick={() => setRevoking(invitation)}>
            {m.members.revoke}
          </Button>
        )}
      />
      {revoking === null ? null : (
        <ConfirmAction
          title={m.members.removeTitle(revoking.email)}
          action={m.members.revoke}
          done={m.members.revoked}
          stale={['invitations']}
          run={() => answerOf(api.POST('/api/v1/orgs/revoke-invitation', { body: { invitationId: revoking.id } }))}
          onClose={() => setRevoking(null)}
        >
          <p>{m.members.invitationsLead}</p>
        </ConfirmAction>
      )}
    </Panel>
  );
}
