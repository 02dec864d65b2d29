import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import type { Me } from '../../api/types.js';
import { switchTenant } from '../../app/switch-tenant.js';
import { Button } from '../../kit/button.js';
import { Fault } from '../../kit/fault.js';
import { Note } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { session } from '../../session/session.js';
import { AccountPage } from './account.js';

/** The token is in the fragment, after the #, so that it is in no server's log. */
const tokenOf = (): string => new URLSearchParams(location.hash.slice(1)).get('token') ?? '';

/** The page of an invitation's link: the person signs in and accepts. */
export default function AcceptInvitation({ me }: { me: Me }) {
  const [token] = useState(tokenOf);
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const accept = useMutation({
    mutationFn: () => answerOf(api.POST('/api/v1/orgs/accept-invitation', { body: { token } })),
  });
  const goOn = useMutation({
    mutationFn: async (tenantId: string) => {
      await navigate({ to: '/' });
      // A user without an org already has the claim; any other user switches tenants.
      if (me.tenantId === undefined) await session.enter();
      else await switchTenant(tenantId);
      await queryClient.invalidateQueries();
    },
  });
  const name = me.email ?? me.userId;
  if (accept.data !== undefined) {
    const { org } = accept.data;
    return (
      <AccountPage me={me} title={m.invitation.done(org.name)}>
        {goOn.isError ? <Fault error={goOn.error} /> : null}
        <Button look="primary" busy={goOn.isPending} onClick={() => goOn.mutate(org.tenantId)}>
          {m.invitation.goOn}
        </Button>
      </AccountPage>
    );
  }
  return (
    <AccountPage me={me} title={m.invitation.title} lead={m.invitation.lead(name)}>
      {token === '' ? <Note>{m.invitation.missing}</Note> : null}
      {accept.isError ? <Fault error={accept.error} /> : null}
      <Button look="primary" disabled={token === ''} busy={accept.isPending} onClick={() => accept.mutate()}>
        {m.invitation.accept}
      </Button>
      <Button onClick={() => void session.leave()}>{m.invitation.other}</Button>
    </AccountPage>
  );
}
