import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { Gateway, RequestOf } from '../../api/types.js';
import { Button } from '../../kit/button.js';
import { CodeBlock } from '../../kit/copy.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { More, TextField, textOf } from '../../kit/fields.js';
import { LostSecret, ShownSecret, useShowOnce } from '../../kit/show-once.js';
import { m } from '../../messages/index.js';
import { ExpiryField, expiryOf } from '../keys/expiry-field.js';
import { addressOf, gatewayCall } from './gateway-call.js';
import { LimitFields } from './limit-fields.js';
import { limitsOf } from './limits.js';

type Body = RequestOf<'/api/v1/gateways/{gatewayId}/tokens'>;

interface CreateGatewayTokenProps {
  readonly gateway: Gateway;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onGone: () => void;
}

export function CreateGatewayToken({ gateway, open, onClose, onGone }: CreateGatewayTokenProps) {
  const [keys] = useState(() => new IdempotencyKeys());
  const once = useShowOnce(onClose);
  const queryClient = useQueryClient();
  const create = useMutation({
    mutationFn: (body: Body) =>
      answerOf(
        api.POST('/api/v1/gateways/{gatewayId}/tokens', {
          params: { path: { gatewayId: gateway.id } },
          body,
          headers: keys.of(body),
        }),
      ),
    onSuccess: async ({ token }) => {
      if (token !== undefined) once.show(token);
      await queryClient.invalidateQueries({ queryKey: ['gateway-tokens', gateway.id] });
    },
  });
  const errors = faultsByField(create.error);
  const made = create.data;
  return (
    <Modal
      open={open}
      locked={once.secret !== null}
      title={made === undefined ? m.gatewayTokens.create : m.gatewayTokens.ready(made.name)}
      lead={made === undefined ? m.gatewayTokens.lead : m.gatewayTokens.validHere(gateway.name)}
      onClose={once.close}
      onGone={onGone}
    >
      {made === undefined ? (
        <Form
          className={MODAL_FORM}
          errors={errors}
          onSubmit={(event) => {
            event.preventDefault();
            const form = new FormData(event.currentTarget);
            create.mutate({
              name: textOf(form, 'name'),
              ...expiryOf(textOf(form, 'expiresAt')),
              rateLimit: limitsOf(form),
            });
          }}
        >
          <ModalBody>
            <TextField
              name="name"
              label={m.gatewayTokens.tokenName}
              required
              maxLength={100}
              placeholder={m.gatewayTokens.tokenNameExample}
            />
            <More label={m.kit.moreFields} wrong={Object.keys(errors).some((field) => field !== 'name')}>
              <ExpiryField />
              <LimitFields />
            </More>
            {create.isError && Object.keys(errors).length === 0 ? <Fault error={create.error} /> : null}
          </ModalBody>
          <ModalFoot>
            <Button onClick={onClose}>{m.kit.cancel}</Button>
            <Button type="submit" look="primary" busy={create.isPending}>
              {m.gatewayTokens.create}
            </Button>
          </ModalFoot>
        </Form>
      ) : once.secret === null ? (
        <LostSecret hint={m.gatewayTokens.lost} onClose={onClose} />
      ) : (
        <ShownSecret once={once} label={m.gatewayTokens.newToken}>
          <CodeBlock label={m.gateways.example} code={gatewayCall(addressOf(gateway.id), once.secret, gateway)} />
        </ShownSecret>
      )}
    </Modal>
  );
}
