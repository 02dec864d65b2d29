import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { RequestOf } from '../../api/types.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { LostSecret, ShownSecret, useShowOnce } from '../../kit/show-once.js';
import { m } from '../../messages/index.js';
import { EndpointFields, endpointOf } from './endpoint-fields.js';

type Body = RequestOf<'/api/v1/webhooks/create'>;

interface AddEndpointProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onGone: () => void;
}

export function AddEndpoint({ open, onClose, onGone }: AddEndpointProps) {
  const [keys] = useState(() => new IdempotencyKeys());
  const once = useShowOnce(onClose);
  const queryClient = useQueryClient();
  const create = useMutation({
    mutationFn: (body: Body) => answerOf(api.POST('/api/v1/webhooks/create', { body, headers: keys.of(body) })),
    onSuccess: async ({ secret }) => {
      if (secret !== undefined) once.show(secret);
      await queryClient.invalidateQueries({ queryKey: ['webhooks'] });
    },
  });
  const errors = faultsByField(create.error);
  const made = create.data !== undefined;
  return (
    <Modal
      open={open}
      locked={once.secret !== null}
      title={made ? m.webhooks.ready : m.webhooks.addTitle}
      lead={made ? m.once.lead : m.webhooks.lead}
      onClose={once.close}
      onGone={onGone}
    >
      {!made ? (
        <Form
          className={MODAL_FORM}
          errors={errors}
          onSubmit={(event) => {
            event.preventDefault();
            create.mutate(endpointOf(new FormData(event.currentTarget)));
          }}
        >
          <ModalBody>
            <EndpointFields />
            {create.isError && errors['url'] === undefined ? <Fault error={create.error} /> : null}
          </ModalBody>
          <ModalFoot>
            <Button onClick={onClose}>{m.kit.cancel}</Button>
            <Button type="submit" look="primary" busy={create.isPending}>
              {m.webhooks.add}
            </Button>
          </ModalFoot>
        </Form>
      ) : once.secret === null ? (
        <LostSecret hint={m.webhooks.lost} onClose={onClose} />
      ) : (
        <ShownSecret once={once} label={m.webhooks.secret}>
          <p className="text-soft">{m.webhooks.secretHint}</p>
        </ShownSecret>
      )}
    </Modal>
  );
}
