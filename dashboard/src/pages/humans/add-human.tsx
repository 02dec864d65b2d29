import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';

export function AddHuman({ onClose }: { onClose: () => void }) {
  const [keys] = useState(() => new IdempotencyKeys());
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const add = useMutation({
    mutationFn: (human: string) => {
      const body = { human };
      return answerOf(api.POST('/api/v1/humans/upsert', { body, headers: keys.of(body) }));
    },
    onSuccess: async () => {
      announce(m.kit.saved);
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['humans'] });
    },
  });
  const errors = faultsByField(add.error);
  return (
    <Modal open title={m.humans.addTitle} lead={m.humans.addLead} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate(textOf(new FormData(event.currentTarget), 'human'));
        }}
      >
        <ModalBody>
          <TextField name="human" label={m.humans.id} required maxLength={256} placeholder={m.humans.idExample} />
          {add.isError && Object.keys(errors).length === 0 ? <Fault error={add.error} /> : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={add.isPending}>
            {m.humans.add}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}
