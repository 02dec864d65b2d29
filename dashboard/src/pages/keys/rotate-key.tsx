import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { ApiKey } from '../../api/types.js';
import { formatTime } from '../../format/format.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { SelectField, textOf } from '../../kit/fields.js';
import { LostSecret, ShownSecret, useShowOnce } from '../../kit/show-once.js';
import { m } from '../../messages/index.js';

export function RotateKey({ of, onClose }: { of: ApiKey; onClose: () => void }) {
  const [keys] = useState(() => new IdempotencyKeys());
  const once = useShowOnce(onClose);
  const queryClient = useQueryClient();
  const rotate = useMutation({
    mutationFn: async (seconds: number) => {
      const body = { keyId: of.keyId, gracePeriodSeconds: seconds };
      const headers = keys.of(body);
      const { result } = await answerOf(api.POST('/api/v1/api-keys/rotate', { body, headers }));
      return { ...result, isOver: Date.parse(result.previousKeyExpiresAt) <= Date.now() };
    },
    onSuccess: async ({ key }) => {
      if (key !== undefined) once.show(key);
      await queryClient.invalidateQueries({ queryKey: ['keys'] });
    },
  });
  const { data } = rotate;
  return (
    <Modal
      open
      locked={once.secret !== null}
      title={data === undefined ? m.keyRotate.title(of.name) : m.keyForm.ready(of.name)}
      lead={data === undefined ? m.keyRotate.lead : m.once.lead}
      onClose={once.close}
    >
      {data === undefined ? (
        <Form
          className={MODAL_FORM}
          onSubmit={(event) => {
            event.preventDefault();
            rotate.mutate(Number(textOf(new FormData(event.currentTarget), 'grace')));
          }}
        >
          <ModalBody>
            <SelectField
              name="grace"
              label={m.keyRotate.grace}
              defaultValue="86400"
              options={Object.entries(m.keyRotate.graces)}
            />
            {rotate.isError ? <Fault error={rotate.error} /> : null}
          </ModalBody>
          <ModalFoot>
            <Button onClick={onClose}>{m.kit.cancel}</Button>
            <Button type="submit" look="primary" busy={rotate.isPending}>
              {m.keyRotate.submit}
            </Button>
          </ModalFoot>
        </Form>
      ) : once.secret === null ? (
        <LostSecret hint={m.keyRotate.lost} onClose={onClose} />
      ) : (
        <ShownSecret once={once} label={m.keyForm.newKey}>
          <p className="text-soft">
            {data.isOver ? m.keyRotate.ended : m.keyRotate.until(formatTime(data.previousKeyExpiresAt))}
          </p>
        </ShownSecret>
      )}
    </Modal>
  );
}
