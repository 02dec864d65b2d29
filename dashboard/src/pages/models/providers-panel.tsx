import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { ModelProvider } from '../../api/types.js';
import { formatDay } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button, IconButton } from '../../kit/button.js';
import { ConfirmAction } from '../../kit/confirm-action.js';
import { messageOf } from '../../kit/fault.js';
import { ActionMenu } from '../../kit/menu.js';
import { Badge, Empty, Panel, PanelHead } from '../../kit/surface.js';
import { List, type Column } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { nameOfKind } from './kinds.js';
import { ProviderDialog } from './provider-dialog.js';

type Doing = { readonly kind: 'edit' | 'remove'; readonly provider: ModelProvider };

export function ProvidersPanel() {
  const may = useMay();
  const [adding, setAdding] = useState(false);
  const [doing, setDoing] = useState<Doing | null>(null);
  const mayWrite = may('POST /api/v1/llm/providers/create');
  const pages = usePages<ModelProvider>(['providers'], async (pageToken, signal) => {
    const body = { pageToken };
    const { providers, nextPageToken } = await answerOf(api.POST('/api/v1/llm/providers/list', { body, signal }));
    return { rows: providers, nextPageToken };
  });
  return (
    <Panel label={m.models.providers}>
      <PanelHead
        title={m.models.providers}
        actions={
          mayWrite ? (
            <Button look="primary" icon="plus" onClick={() => setAdding(true)}>
              {m.models.addProvider}
            </Button>
          ) : null
        }
      />
      <List
        label={m.models.providers}
        pages={pages}
        keyOf={({ providerId }) => providerId}
        empty={
          <Empty icon="server" title={m.models.noProviders}>
            {m.models.noProvidersHint}
          </Empty>
        }
        columns={COLUMNS}
        {...(mayWrite
          ? {
              actions: (provider: ModelProvider) => (
                <Actions of={provider} onDo={(kind) => setDoing({ kind, provider })} />
              ),
            }
          : {})}
      />
      {adding ? <ProviderDialog onClose={() => setAdding(false)} /> : null}
      {doing?.kind === 'edit' ? <ProviderDialog of={doing.provider} onClose={() => setDoing(null)} /> : null}
      {doing?.kind === 'remove' ? (
        <ConfirmAction
          title={m.models.removeTitle(doing.provider.name)}
          action={m.models.remove}
          done={m.kit.saved}
          stale={['providers']}
          run={() =>
            answerOf(api.POST('/api/v1/llm/providers/delete', { body: { providerId: doing.provider.providerId } }))
          }
          onClose={() => setDoing(null)}
        >
          <p>{m.models.removeLead}</p>
        </ConfirmAction>
      ) : null}
    </Panel>
  );
}

const COLUMNS: readonly [Column<ModelProvider>, ...Column<ModelProvider>[]] = [
  {
    head: m.models.name,
    className: 'max-w-64',
    cell: ({ name, kind, baseUrl }) => (
      <>
        <span className="block truncate font-medium">{name}</span>
        <span className="block truncate text-xs text-faint">{baseUrl ?? nameOfKind(kind)}</span>
      </>
    ),
  },
  {
    head: m.models.credentials,
    cell: ({ credentialsSetAt }) => (
      <span className="text-soft">
        {credentialsSetAt === undefined ? m.models.noCredentials : m.models.credentialsSet(formatDay(credentialsSetAt))}
      </span>
    ),
  },
  {
    head: m.models.status,
    cell: ({ status }) => (
      <Badge tone={status === 'ENABLED' ? 'good' : 'plain'}>
        {status === 'ENABLED' ? m.models.enabled : m.models.disabled}
      </Badge>
    ),
  },
];

function Actions({ of, onDo }: { of: ModelProvider; onDo: (kind: Doing['kind']) => void }) {
  const announce = useAnnounce();
  const { providerId, name } = of;
  const test = useMutation({
    mutationFn: async () => {
      const { ok, message } = await answerOf(api.POST('/api/v1/llm/providers/test', { body: { providerId } }));
      return ok ? m.models.testOk(name) : m.models.testFailed(name, message);
    },
    onSuccess: announce,
    onError: (error) => announce(messageOf(error)),
  });
  return (
    <span className="inline-flex gap-1">
      <Button size="small" look="ghost" busy={test.isPending} onClick={() => test.mutate()}>
        {m.models.test}
      </Button>
      <ActionMenu
        trigger={<IconButton icon="ellipsis" label={m.kit.actionsFor(name)} />}
        groups={[
          {
            entries: [
              { label: m.models.edit, icon: 'pencil', onSelect: () => onDo('edit') },
              { label: m.models.remove, icon: 'trash', danger: true, onSelect: () => onDo('remove') },
            ],
          },
        ]}
      />
    </span>
  );
}
