import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { ModelProvider } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { Check, TextField, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';
import { ProviderFields, readProvider } from './provider-fields.js';

const FIELDS = { url: 'baseUrl' } as const;

interface ProviderDialogProps {
  /** The provider that is edited; absent: a new one. */
  readonly of?: ModelProvider;
  readonly onClose: () => void;
}

/** Sets a provider up, or changes one. Credentials go in and never come out. */
export function ProviderDialog({ of, onClose }: ProviderDialogProps) {
  const [keys] = useState(() => new IdempotencyKeys());
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const save = useMutation({
    mutationFn: async (form: FormData): Promise<void> => {
      const { kind, url, ...rest } = readProvider(form, FIELDS, of?.settings);
      const common = { name: textOf(form, 'name'), ...(url === '' ? {} : { baseUrl: url }), ...rest };
      if (of === undefined) {
        const body = { ...common, kind };
        await answerOf(api.POST('/api/v1/llm/providers/create', { body, headers: keys.of(body) }));
      } else {
        const body = { providerId: of.providerId, ...common, enabled: form.get('enabled') !== null };
        await answerOf(api.POST('/api/v1/llm/providers/update', { body }));
      }
    },
    onSuccess: async () => {
      announce(m.kit.saved);
      onClose();
      await queryClient.invalidateQueries();
    },
  });
  const errors = faultsByField(save.error);
  const title = of === undefined ? m.models.addProvider : m.models.editProvider(of.name);
  return (
    <Modal open title={title} lead={of === undefined ? m.models.noProvidersHint : undefined} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(new FormData(event.currentTarget));
        }}
      >
        <ModalBody>
          <TextField
            name="name"
            label={m.models.name}
            required
            maxLength={50}
            placeholder="openai"
            defaultValue={of?.name}
          />
          <ProviderFields of={of} names={FIELDS} />
          {of === undefined ? null : (
            <Check name="enabled" label={m.models.enabledField} defaultChecked={of.status === 'ENABLED'} />
          )}
          {save.isError ? <Fault error={save.error} /> : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={save.isPending}>
            {of === undefined ? m.models.addProvider : m.kit.save}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}
