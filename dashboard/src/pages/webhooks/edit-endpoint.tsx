import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api } from '../../api/client.js';
import type { RequestOf, WebhookEndpoint } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { Check, TextField, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';
import { EndpointFields, endpointOf } from './endpoint-fields.js';

type Body = RequestOf<'/api/v1/webhooks/update'>;

/** Another address needs the signing secret: the old server trusts what is signed with it. */
export function EditEndpoint({ of, onClose }: { of: WebhookEndpoint; onClose: () => void }) {
  const isOn = of.status === 'ENABLED';
  const [moves, setMoves] = useState(false);
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const save = useMutation({
    mutationFn: (body: Body) => answerOf(api.POST('/api/v1/webhooks/update', { body })),
    onSuccess: async () => {
      announce(m.kit.saved);
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['webhooks'] });
    },
  });
  const errors = faultsByField(save.error);
  return (
    <Modal open title={m.webhooks.editTitle} lead={m.webhooks.lead} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const enabled = form.get('enabled') !== null;
          save.mutate({
            endpointId: of.endpointId,
            ...endpointOf(form),
            ...(enabled === isOn ? {} : { enabled }),
            ...(moves ? { secret: textOf(form, 'secret') } : {}),
          });
        }}
      >
        <ModalBody>
          <EndpointFields of={of} onUrl={(url) => setMoves(url !== of.url)} />
          {moves ? (
            <TextField
              name="secret"
              label={m.webhooks.secret}
              hint={m.webhooks.secretNeeded}
              type="password"
              required
            />
          ) : null}
          <Check name="enabled" label={m.webhooks.enabledField} defaultChecked={isOn} />
          {save.isError && errors['url'] === undefined && errors['secret'] === undefined ? (
            <Fault error={save.error} />
          ) : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={save.isPending}>
            {m.kit.save}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}
