import { Form } from '@base-ui/react/form';
import type { Gateway } from '../../api/types.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';
import { ProviderFields } from '../models/provider-fields.js';
import { asStored, providerOf } from './provider-of.js';
import { useUpdateGateway } from './use-update-gateway.js';

type Provider = Gateway['providers'][number];

const FIELDS = { url: 'endpoint' } as const;

interface GatewayProviderDialogProps {
  readonly gateway: Gateway;
  /** The provider that is edited; absent: a new one. */
  readonly of?: Provider;
  readonly onClose: () => void;
}

/** Edits a provider of a gateway. The others are sent as they are stored, which keeps their keys. */
export function GatewayProviderDialog({ gateway, of, onClose }: GatewayProviderDialogProps) {
  const update = useUpdateGateway(gateway);
  const save = (form: FormData): void => {
    const name = textOf(form, 'name');
    const typed = { ...providerOf(form, FIELDS, of), ...(name === '' ? {} : { name }) };
    const providers = gateway.providers.map((one) => (one.name === of?.name ? typed : asStored(one)));
    update.mutate({ providers: of === undefined ? [...providers, typed] : providers }, { onSuccess: onClose });
  };
  return (
    <Modal open title={of === undefined ? m.gateways.addProvider : m.gateways.editProvider(of.name)} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        onSubmit={(event) => {
          event.preventDefault();
          save(new FormData(event.currentTarget));
        }}
      >
        <ModalBody>
          {of === undefined ? (
            <TextField name="name" label={m.gateways.providerName} hint={m.gateways.providerNameHint} maxLength={64} />
          ) : (
            <input type="hidden" name="name" value={of.name} />
          )}
          <ProviderFields of={of === undefined ? undefined : viewOf(of)} names={FIELDS} />
          {update.isError ? <Fault error={update.error} /> : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={update.isPending}>
            {m.kit.save}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}

const viewOf = ({ provider, endpoint, models, settings }: Provider) => ({
  kind: provider,
  models,
  settings,
  ...(endpoint === undefined ? {} : { baseUrl: endpoint }),
});
