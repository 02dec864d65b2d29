import { Form } from '@base-ui/react/form';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../api/client.js';
import { useAnnounce } from '../kit/announcer.js';
import { Button } from '../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../kit/dialog.js';
import { Fault } from '../kit/fault.js';
import { TextField, textOf } from '../kit/fields.js';
import { m } from '../messages/index.js';
import { switchTenant } from './switch-tenant.js';

export function NewTenant({ open, onClose }: { open: boolean; onClose: () => void }) {
  const announce = useAnnounce();
  const [keys] = useState(() => new IdempotencyKeys());
  const create = useMutation({
    mutationFn: async (name: string) => {
      const body = { name };
      const { tenant } = await answerOf(api.POST('/api/v1/tenants/create', { body, headers: keys.of(body) }));
      await switchTenant(tenant.id);
    },
    onSuccess: (_made, name) => announce(m.shell.youAreIn(name)),
  });
  const errors = faultsByField(create.error);
  return (
    <Modal open={open} title={m.shell.newTenant} lead={m.shell.newTenantLead} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate(textOf(new FormData(event.currentTarget), 'name'));
        }}
      >
        <ModalBody>
          <TextField name="name" label={m.kit.name} required maxLength={100} placeholder={m.shell.tenantExample} />
          {create.isError && Object.keys(errors).length === 0 ? <Fault error={create.error} /> : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={create.isPending}>
            {m.shell.newTenant}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}
