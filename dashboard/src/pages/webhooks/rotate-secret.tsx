import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { WebhookEndpoint } from '../../api/types.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { LostSecret, ShownSecret, useShowOnce } from '../../kit/show-once.js';
import { m } from '../../messages/index.js';

const A_DAY_SECONDS = 86_400;

export function RotateSecret({ of, onClose }: { of: WebhookEndpoint; onClose: () => void }) {
  const [keys] = useState(() => new IdempotencyKeys());
  const once = useShowOnce(onClose);
  const queryClient = useQueryClient();
  const rotate = useMutation({
    mutationFn: () => {
      const body = { endpointId: of.endpointId, gracePeriodSeconds: A_DAY_SECONDS };
      return answerOf(api.POST('/api/v1/webhooks/rotate-secret', { body, headers: keys.of(body) }));
    },
    onSuccess: async ({ secret }) => {
      if (secret !== undefined) once.show(secret);
      await queryClient.invalidateQueries({ queryKey: ['webhooks'] });
    },
  });
  const done = rotate.data !== undefined;
  return (
    <Modal
      open
      locked={once.secret !== null}
      title={done ? m.webhooks.rotated : m.webhooks.rotateTitle}
      lead={done ? m.once.lead : m.webhooks.rotateLead}
      onClose={once.close}
    >
      {!done ? (
        <>
          <ModalBody>
            <p className="break-all">{of.url}</p>
            {rotate.isError ? <Fault error={rotate.error} /> : null}
          </ModalBody>
          <ModalFoot>
            <Button onClick={onClose}>{m.kit.cancel}</Button>
            <Button look="primary" busy={rotate.isPending} onClick={() => rotate.mutate()}>
              {m.webhooks.rotate}
            </Button>
          </ModalFoot>
        </>
      ) : once.secret === null ? (
        <LostSecret hint={m.webhooks.rotateLost} onClose={onClose} />
      ) : (
        <ShownSecret once={once} label={m.webhooks.secret}>
          <p className="text-soft">{m.webhooks.secretHint}</p>
        </ShownSecret>
      )}
    </Modal>
  );
}
