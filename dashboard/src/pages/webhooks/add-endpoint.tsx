import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { RequestOf } from '../../api/types.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { Check, TextField, textOf } from '../../kit/fields.js';
import { LostSecret, ShownSecret, useShowOnce } from '../../kit/show-once.js';
import { m } from '../../messages/index.js';

type Body = RequestOf<'/api/v1/webhooks/create'>;

const EVENTS = [
  'usage.tracked',
  'usage.limit_exceeded',
  'usage.threshold_reached',
  'usage.token_revoked',
  'run.completed',
  'run.failed',
  'member.invited',
] as const satisfies readonly Body['events'][number][];

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
            const form = new FormData(event.currentTarget);
            create.mutate({
              url: textOf(form, 'url'),
              description: textOf(form, 'description'),
              events: EVENTS.filter((name) => form.get(name) !== null),
            });
          }}
        >
          <ModalBody>
            <TextField
              name="url"
              label={m.webhooks.url}
              hint={m.webhooks.urlHint}
              type="url"
              required
              placeholder="https://"
            />
            <TextField name="description" label={m.webhooks.description} maxLength={1000} />
            <fieldset>
              <legend className="mb-1.5 font-medium">{m.webhooks.events}</legend>
              <div className="grid gap-2 sm:grid-cols-2">
                {EVENTS.map((name) => (
                  <Check
                    key={name}
                    name={name}
                    label={<span className="font-mono text-[13px]">{name}</span>}
                    defaultChecked
                  />
                ))}
              </div>
            </fieldset>
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
