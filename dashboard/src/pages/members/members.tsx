import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay, useMe } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { Member, Role } from '../../api/types.js';
import { formatDay } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { ConfirmAction } from '../../kit/confirm-action.js';
import { messageOf } from '../../kit/fault.js';
import { FilterSelect } from '../../kit/fields.js';
import { Badge, PageHead, Panel } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { Invitations } from './invitations.js';
import { Invite } from './invite.js';
import { rolesBelow } from './roles.js';

const nameOf = ({ email, userId }: Member): string => email ?? userId;

export default function Members() {
  const me = useMe();
  const may = useMay();
  const [inviting, setInviting] = useState(false);
  const [round, setRound] = useState(0);
  const [removing, setRemoving] = useState<Member | null>(null);
  const pages = usePages<Member>(['members'], async (pageToken, signal) => {
    const { members, nextPageToken } = await answerOf(
      api.POST('/api/v1/orgs/list-members', { body: { pageToken }, signal }),
    );
    return { rows: members, nextPageToken };
  });
  const mayManage = may('POST /api/v1/orgs/invite-member');
  return (
    <>
      <PageHead
        title={m.members.title}
        lead={m.members.lead}
        actions={
          mayManage ? (
            <Button look="primary" icon="user-plus" onClick={() => setInviting(true)}>
              {m.members.invite}
            </Button>
          ) : null
        }
      />
      <Panel className="mb-4" label={m.members.title}>
        <List
          label={m.members.title}
          pages={pages}
          keyOf={({ userId }) => userId}
          empty={null}
          columns={[
            {
              head: m.members.columns.who,
              className: 'max-w-80',
              cell: (member) => (
                <span className="flex items-center gap-2">
                  <span className="min-w-0 truncate font-medium">{nameOf(member)}</span>
                  {member.userId === me.userId ? <Badge tone="accent">{m.members.you}</Badge> : null}
                </span>
              ),
            },
            {
              head: m.members.columns.role,
              cell: (member) => (mayManage ? <RoleOf of={member} /> : m.roles[member.role]),
            },
            {
              head: m.members.columns.since,
              cell: ({ createdAt }) => <span className="whitespace-nowrap text-soft">{formatDay(createdAt)}</span>,
            },
          ]}
          {...(mayManage
            ? {
                actions: (member: Member) => (
                  <Button size="small" look="ghost" onClick={() => setRemoving(member)}>
                    {m.members.remove}
                  </Button>
                ),
              }
            : {})}
        />
      </Panel>
      {mayManage ? <Invitations /> : null}
      <Invite key={round} open={inviting} onClose={() => setInviting(false)} onGone={() => setRound(round + 1)} />
      {removing === null ? null : (
        <ConfirmAction
          title={m.members.removeTitle(nameOf(removing))}
          action={m.members.remove}
          done={m.members.removed(nameOf(removing))}
          stale={['members']}
          run={() => answerOf(api.POST('/api/v1/orgs/remove-member', { body: { userId: removing.userId } }))}
          onClose={() => setRemoving(null)}
        >
          <p>{m.members.removeLead}</p>
        </ConfirmAction>
      )}
    </>
  );
}

function RoleOf({ of }: { of: Member }) {
  const me = useMe();
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const change = useMutation({
    mutationFn: (role: Role) => answerOf(api.POST('/api/v1/orgs/update-member', { body: { userId: of.userId, role } })),
    onSuccess: () => announce(m.members.roleChanged),
    onError: (error) => announce(messageOf(error)),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['members'] }),
  });
  const offered = rolesBelow(me.role);
  if (!offered.includes(of.role)) return m.roles[of.role];
  return (
    <FilterSelect
      label={m.members.changeRole(nameOf(of))}
      value={of.role}
      disabled={change.isPending}
      onChoose={(value) => change.mutate(value as Role)}
      options={offered.map((role) => [role, m.roles[role]])}
    />
  );
}
