import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { RequestOf } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { SelectField, TextField, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';
import { KINDS } from '../gateways/create-gateway.js';
import { listOf } from '../keys/key-fields.js';

type Body = RequestOf<'/api/v1/llm/providers/create'>;

/** Credentials go in and never come out. */
export function AddProvider({ onClose }: { onClose: () => void }) {
  const [keys] = useState(() => new IdempotencyKeys());
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const add = useMutation({
    mutationFn: (body: Body) => answerOf(api.POST('/api/v1/llm/providers/create', { body, headers: keys.of(body) })),
    onSuccess: async () => {
      announce(m.kit.saved);
      onClose();
      await queryClient.invalidateQueries();
    },
  });
  const errors = faultsByField(add.error);
  return (
    <Modal open title={m.models.addProvider} lead={m.models.noProvidersHint} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate(bodyOf(new FormData(event.currentTarget)));
        }}
      >
        <ModalBody>
          <TextField name="name" label={m.models.name} required maxLength={64} placeholder="openai" />
          <SelectField name="kind" label={m.models.kind} options={KINDS} defaultValue="openai" />
          <TextField name="credentials.apiKey" label={m.models.key} hint={m.models.keyHint} type="password" />
          <TextField
            name="baseUrl"
            label={m.models.baseUrl}
            hint={m.models.baseUrlHint}
            type="url"
            placeholder="https://"
          />
          <TextField name="models" label={m.models.modelNames} hint={m.models.modelNamesHint} />
          {add.isError && Object.keys(errors).length === 0 ? <Fault error={add.error} /> : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={add.isPending}>
            {m.models.addProvider}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}

function bodyOf(form: FormData): Body {
  const [kind] = KINDS.find(([value]) => value === textOf(form, 'kind')) ?? KINDS[0];
  const [apiKey, baseUrl] = [textOf(form, 'credentials.apiKey'), textOf(form, 'baseUrl')];
  return {
    name: textOf(form, 'name'),
    kind,
    ...(apiKey === '' ? {} : { credentials: { apiKey } }),
    ...(baseUrl === '' ? {} : { baseUrl }),
    models: listOf(textOf(form, 'models')),
  };
}
