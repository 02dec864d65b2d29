import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { WebhookEndpoint } from '../../api/types.js';
import { formatDay } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button, IconButton } from '../../kit/button.js';
import { ConfirmAction } from '../../kit/confirm-action.js';
import { messageOf } from '../../kit/fault.js';
import { ActionMenu } from '../../kit/menu.js';
import { Badge, Empty, PageHead, Panel, PanelHead } from '../../kit/surface.js';
import { List, type Column } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { AddEndpoint } from './add-endpoint.js';
import { Deliveries } from './deliveries.js';
import { EditEndpoint } from './edit-endpoint.js';
import { RotateSecret } from './rotate-secret.js';

type Doing = { readonly kind: 'edit' | 'rotate' | 'remove'; readonly endpoint: WebhookEndpoint };

export default function Webhooks() {
  const may = useMay();
  const [adding, setAdding] = useState(false);
  const [round, setRound] = useState(0);
  const [doing, setDoing] = useState<Doing | null>(null);
  const pages = usePages<WebhookEndpoint>(['webhooks', 'list'], async (pageToken, signal) => {
    const { endpoints, nextPageToken } = await answerOf(
      api.POST('/api/v1/webhooks/list', { body: { pageToken }, signal }),
    );
    return { rows: endpoints, nextPageToken };
  });
  const mayWrite = may('POST /api/v1/webhooks/create');
  return (
    <>
      <PageHead
        title={m.webhooks.title}
        lead={m.webhooks.lead}
        actions={
          mayWrite ? (
            <Button look="primary" icon="plus" onClick={() => setAdding(true)}>
              {m.webhooks.add}
            </Button>
          ) : null
        }
      />
      <Panel className="mb-4" label={m.webhooks.endpoints}>
        <PanelHead title={m.webhooks.endpoints} />
        <List
          label={m.webhooks.endpoints}
          pages={pages}
          keyOf={({ endpointId }) => endpointId}
          columns={COLUMNS}
          empty={
            <Empty icon="webhook" title={m.webhooks.empty}>
              {m.webhooks.emptyHint}
            </Empty>
          }
          {...(mayWrite
            ? {
                actions: (endpoint: WebhookEndpoint) => (
                  <Actions of={endpoint} onDo={(kind) => setDoing({ kind, endpoint })} />
                ),
              }
            : {})}
        />
      </Panel>
      <Deliveries mayWrite={mayWrite} />
      <AddEndpoint key={round} open={adding} onClose={() => setAdding(false)} onGone={() => setRound(round + 1)} />
      {doing?.kind === 'edit' ? <EditEndpoint of={doing.endpoint} onClose={() => setDoing(null)} /> : null}
      {doing?.kind === 'rotate' ? <RotateSecret of={doing.endpoint} onClose={() => setDoing(null)} /> : null}
      {doing?.kind === 'remove' ? (
        <ConfirmAction
          title={m.webhooks.removeTitle}
          action={m.webhooks.remove}
          done={m.kit.saved}
          stale={['webhooks']}
          run={() => answerOf(api.POST('/api/v1/webhooks/delete', { body: { endpointId: doing.endpoint.endpointId } }))}
          onClose={() => setDoing(null)}
        >
          <p className="break-all">{doing.endpoint.url}</p>
          <p>{m.webhooks.removeLead}</p>
        </ConfirmAction>
      ) : null}
    </>
  );
}

const COLUMNS: readonly [Column<WebhookEndpoint>, ...Column<WebhookEndpoint>[]] = [
  {
    head: m.webhooks.columns.url,
    className: 'max-w-96',
    cell: ({ url, description }) => (
      <>
        <span className="block truncate font-medium" title={url}>
          {url}
        </span>
        <span className="block truncate text-xs text-faint">{description}</span>
      </>
    ),
  },
  {
    head: m.webhooks.columns.events,
    cell: ({ events }) => (
      <span title={events.join('\n')}>
        <Badge>{events.length === 1 ? events[0] : events.length}</Badge>
      </span>
    ),
  },
  {
    head: m.webhooks.columns.status,
    cell: ({ status, failingSince, disabledReason }) => {
      if (status === 'DISABLED') {
        return <Badge tone="bad">{m.webhooks.reasons[disabledReason ?? ''] ?? m.webhooks.disabled}</Badge>;
      }
      return failingSince === undefined ? (
        <Badge tone="good">{m.webhooks.enabled}</Badge>
      ) : (
        <Badge tone="warn">{m.webhooks.failing}</Badge>
      );
    },
  },
  {
    head: m.webhooks.columns.since,
    wideOnly: true,
    cell: ({ createdAt }) => <span className="whitespace-nowrap text-soft">{formatDay(createdAt)}</span>,
  },
];

function Actions({ of, onDo }: { of: WebhookEndpoint; onDo: (kind: Doing['kind']) => void }) {
  const { endpointId, status, url } = of;
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const [keys] = useState(() => new IdempotencyKeys());
  const run = useMutation({
    mutationFn: (work: () => Promise<string>) => work(),
    onSuccess: async (said) => {
      announce(said);
      await queryClient.invalidateQueries({ queryKey: ['webhooks'] });
    },
    onError: (error) => announce(messageOf(error)),
  });
  const isOn = status === 'ENABLED';
  const test = async (): Promise<string> => {
    const body = { endpointId };
    await answerOf(api.POST('/api/v1/webhooks/test', { body, headers: keys.of({ ...body, at: Date.now() }) }));
    return m.webhooks.tested;
  };
  const toggle = async (): Promise<string> => {
    await answerOf(api.POST('/api/v1/webhooks/update', { body: { endpointId, enabled: !isOn } }));
    return m.kit.saved;
  };
  return (
    <ActionMenu
      trigger={<IconButton icon="ellipsis" label={m.kit.actionsFor(url)} />}
      groups={[
        {
          entries: [
            { label: m.webhooks.test, icon: 'send', disabled: !isOn, onSelect: () => run.mutate(test) },
            { label: m.webhooks.edit, icon: 'pencil', onSelect: () => onDo('edit') },
            { label: m.webhooks.rotate, icon: 'rotate-cw', onSelect: () => onDo('rotate') },
            { label: isOn ? m.webhooks.disable : m.webhooks.enable, icon: 'ban', onSelect: () => run.mutate(toggle) },
          ],
        },
        { entries: [{ label: m.webhooks.remove, icon: 'trash', danger: true, onSelect: () => onDo('remove') }] },
      ]}
    />
  );
}
