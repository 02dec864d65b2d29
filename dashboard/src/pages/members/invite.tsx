import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import { useMe } from '../../api/may.js';
import type { RequestOf, Role } from '../../api/types.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { SelectField, TextField, textOf } from '../../kit/fields.js';
import { LostSecret, ShownSecret, useShowOnce } from '../../kit/show-once.js';
import { m } from '../../messages/index.js';
import { rolesBelow } from './roles.js';

interface InviteProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onGone: () => void;
}

export function Invite({ open, onClose, onGone }: InviteProps) {
  const me = useMe();
  const [keys] = useState(() => new IdempotencyKeys());
  const [role, setRole] = useState<Role>('developer');
  const once = useShowOnce(onClose);
  const queryClient = useQueryClient();
  const invite = useMutation({
    mutationFn: (body: RequestOf<'/api/v1/orgs/invite-member'>) =>
      answerOf(api.POST('/api/v1/orgs/invite-member', { body, headers: keys.of(body) })),
    onSuccess: async ({ link, token }) => {
      // Without a public address the service can't make a link, so the page makes one from its own address.
      if (token !== undefined) once.show(link ?? `${location.origin}/accept-invitation#token=${token}`);
      await queryClient.invalidateQueries({ queryKey: ['invitations'] });
    },
  });
  const errors = faultsByField(invite.error);
  const made = invite.data?.invitation;
  return (
    <Modal
      open={open}
      locked={once.secret !== null}
      title={made === undefined ? m.members.inviteTitle : m.members.ready(made.email)}
      lead={made === undefined ? m.members.inviteLead : m.members.linkHint}
      onClose={once.close}
      onGone={onGone}
    >
      {made === undefined ? (
        <Form
          className={MODAL_FORM}
          errors={errors}
          onSubmit={(event) => {
            event.preventDefault();
            invite.mutate({ email: textOf(new FormData(event.currentTarget), 'email'), role });
          }}
        >
          <ModalBody>
            <TextField
              name="email"
              label={m.members.email}
              type="email"
              required
              placeholder={m.members.emailExample}
            />
            <SelectField
              name="role"
              label={m.members.role}
              hint={m.members.roleHints[role]}
              value={role}
              onChange={(event) => setRole(event.target.value as Role)}
              options={rolesBelow(me.role).map((one) => [one, m.roles[one]])}
            />
            {invite.isError && Object.keys(errors).length === 0 ? <Fault error={invite.error} /> : null}
          </ModalBody>
          <ModalFoot>
            <Button onClick={onClose}>{m.kit.cancel}</Button>
            <Button type="submit" look="primary" busy={invite.isPending}>
              {m.members.invite}
            </Button>
          </ModalFoot>
        </Form>
      ) : once.secret === null ? (
        <LostSecret hint={m.members.lost} onClose={onClose} />
      ) : (
        <ShownSecret once={once} label={m.members.link} />
      )}
    </Modal>
  );
}
