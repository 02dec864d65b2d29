import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { RequestOf } from '../../api/types.js';
import { Button } from '../../kit/button.js';
import { CodeBlock } from '../../kit/copy.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { LostSecret, ShownSecret, useShowOnce } from '../../kit/show-once.js';
import { m } from '../../messages/index.js';
import { ProviderFields } from '../models/provider-fields.js';
import { addressOf, gatewayCall } from './gateway-call.js';
import { LimitFields } from './limit-fields.js';
import { limitsOf } from './limits.js';
import { providerOf } from './provider-of.js';

type Body = RequestOf<'/api/v1/gateways/create'>;
const FIELDS = { prefix: 'providers[0].', url: 'endpoint' } as const;

interface CreateGatewayProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onGone: () => void;
}

/** Creates a gateway with one provider, and shows its first token this once. Further providers are added in its settings. */
export function CreateGateway({ open, onClose, onGone }: CreateGatewayProps) {
  const [keys] = useState(() => new IdempotencyKeys());
  const once = useShowOnce(onClose);
  const queryClient = useQueryClient();
  const create = useMutation({
    mutationFn: (body: Body) => answerOf(api.POST('/api/v1/gateways/create', { body, headers: keys.of(body) })),
    onSuccess: async ({ token }) => {
      if (token !== undefined) once.show(token);
      await queryClient.invalidateQueries({ queryKey: ['gateways'] });
    },
  });
  const errors = faultsByField(create.error);
  const made = create.data?.gateway;
  return (
    <Modal
      open={open}
      locked={once.secret !== null}
      title={made === undefined ? m.gateways.create : m.gateways.ready(made.name)}
      lead={made === undefined ? m.gateways.createLead : m.gatewayTokens.validHere(made.name)}
      onClose={once.close}
      onGone={onGone}
    >
      {made === undefined ? (
        <Form
          className={MODAL_FORM}
          errors={errors}
          onSubmit={(event) => {
            event.preventDefault();
            create.mutate(bodyOf(new FormData(event.currentTarget)));
          }}
        >
          <ModalBody>
            <Fields />
            {create.isError && Object.keys(errors).length === 0 ? <Fault error={create.error} /> : null}
          </ModalBody>
          <ModalFoot>
            <Button onClick={onClose}>{m.kit.cancel}</Button>
            <Button type="submit" look="primary" busy={create.isPending}>
              {m.gateways.create}
            </Button>
          </ModalFoot>
        </Form>
      ) : once.secret === null ? (
        <LostSecret hint={m.gateways.lost} onClose={onClose} />
      ) : (
        <ShownSecret once={once} label={m.gateways.firstToken}>
          <CodeBlock label={m.gateways.example} code={gatewayCall(addressOf(made.id), once.secret, made)} />
        </ShownSecret>
      )}
    </Modal>
  );
}

function Fields() {
  return (
    <>
      <TextField
        name="name"
        label={m.gateways.name}
        hint={m.gateways.nameHint}
        required
        minLength={5}
        maxLength={50}
        pattern="[A-Za-z0-9_\-]{5,50}"
        placeholder="mobile-app"
      />
      <ProviderFields names={FIELDS} />
      <LimitFields />
    </>
  );
}

function bodyOf(form: FormData): Body {
  return { name: textOf(form, 'name'), providers: [providerOf(form, FIELDS)], rateLimit: limitsOf(form) };
}
