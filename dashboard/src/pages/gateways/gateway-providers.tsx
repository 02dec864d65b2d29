import { useState } from 'react';
import { useMay } from '../../api/may.js';
import type { Gateway } from '../../api/types.js';
import { formatDay } from '../../format/format.js';
import { Button, IconButton } from '../../kit/button.js';
import { ActionMenu } from '../../kit/menu.js';
import { Confirm } from '../../kit/dialog.js';
import { Mono, Panel, PanelHead } from '../../kit/surface.js';
import { Table, type Column } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { nameOfKind } from '../models/kinds.js';
import { GatewayProviderDialog } from './gateway-provider-dialog.js';
import { asStored } from './provider-of.js';
import { useUpdateGateway } from './use-update-gateway.js';

type Provider = Gateway['providers'][number];
type Doing = { readonly kind: 'add' } | { readonly kind: 'edit' | 'remove'; readonly provider: Provider };

/** The providers of a gateway, in the order in which calls try them. */
export function GatewayProviders({ of }: { of: Gateway }) {
  const may = useMay();
  const [doing, setDoing] = useState<Doing | null>(null);
  const mayWrite = may('POST /api/v1/gateways/update');
  const close = (): void => setDoing(null);
  return (
    <Panel label={m.gateways.tabs.providers}>
      <PanelHead
        title={m.gateways.tabs.providers}
        lead={m.gateways.providersLead}
        actions={
          mayWrite ? (
            <Button icon="plus" onClick={() => setDoing({ kind: 'add' })}>
              {m.gateways.addProvider}
            </Button>
          ) : null
        }
      />
      <Table
        label={m.gateways.tabs.providers}
        rows={of.providers}
        keyOf={({ name }) => name}
        columns={COLUMNS}
        {...(mayWrite
          ? {
              actions: (provider: Provider) => (
                <ActionMenu
                  trigger={<IconButton icon="ellipsis" label={m.kit.actionsFor(provider.name)} />}
                  groups={[
                    {
                      entries: [
                        {
                          label: m.gateways.edit,
                          icon: 'pencil',
                          onSelect: () => setDoing({ kind: 'edit', provider }),
                        },
                        {
                          label: m.gateways.remove,
                          icon: 'trash',
                          danger: true,
                          disabled: of.providers.length === 1,
                          onSelect: () => setDoing({ kind: 'remove', provider }),
                        },
                      ],
                    },
                  ]}
                />
              ),
            }
          : {})}
      />
      {doing?.kind === 'add' ? <GatewayProviderDialog gateway={of} onClose={close} /> : null}
      {doing?.kind === 'edit' ? <GatewayProviderDialog gateway={of} of={doing.provider} onClose={close} /> : null}
      {doing?.kind === 'remove' ? <Remove gateway={of} of={doing.provider} onClose={close} /> : null}
    </Panel>
  );
}

function Remove({ gateway, of, onClose }: { gateway: Gateway; of: Provider; onClose: () => void }) {
  const update = useUpdateGateway(gateway);
  const others = gateway.providers.filter(({ name }) => name !== of.name).map(asStored);
  return (
    <Confirm
      open
      title={m.gateways.removeProviderTitle(of.name)}
      action={m.gateways.remove}
      busy={update.isPending}
      error={update.error}
      onConfirm={() => update.mutate({ providers: others }, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>{m.gateways.removeProviderLead}</p>
    </Confirm>
  );
}

const COLUMNS: readonly [Column<Provider>, ...Column<Provider>[]] = [
  {
    head: m.gateways.provider,
    cell: ({ name, provider }) => (
      <>
        <span className="block font-medium">{name}</span>
        <span className="block text-xs text-faint">{nameOfKind(provider)}</span>
      </>
    ),
  },
  {
    head: m.gateways.providerEndpoint,
    cell: ({ endpoint }) =>
      endpoint === undefined ? <span className="text-soft">{m.gateways.home}</span> : <Mono>{endpoint}</Mono>,
  },
  {
    head: m.gateways.providerModels,
    cell: ({ models }) => (models.length === 0 ? m.gateways.anyModel : models.join(', ')),
  },
  {
    head: m.gateways.providerKey,
    cell: ({ apiKeySetAt }) =>
      apiKeySetAt === undefined ? m.gateways.noKey : m.gateways.keySet(formatDay(apiKeySetAt)),
  },
];
