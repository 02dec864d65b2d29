import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import { usePages } from '../../api/queries.js';
import type { WebhookDelivery } from '../../api/types.js';
import { formatAgo } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { messageOf } from '../../kit/fault.js';
import { FilterSelect } from '../../kit/fields.js';
import { Badge, Empty, Panel, PanelHead, type Tone } from '../../kit/surface.js';
import { List, type Column } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { Time } from '../../kit/time.js';
import { DeliveryDrawer } from './delivery-drawer.js';

type Status = WebhookDelivery['status'];

const STATUSES = ['PENDING', 'DELIVERED', 'FAILED'] as const satisfies readonly Status[];
export const DELIVERY_TONES: Readonly<Record<Status, Tone>> = { PENDING: 'warn', DELIVERED: 'good', FAILED: 'bad' };

export function Deliveries({ mayWrite }: { mayWrite: boolean }) {
  const [status, setStatus] = useState<Status | ''>('');
  const [opened, setOpened] = useState<WebhookDelivery | null>(null);
  const pages = usePages<WebhookDelivery>(['webhooks', 'deliveries', status], async (pageToken, signal) => {
    const body = { pageToken, ...(status === '' ? {} : { status }) };
    const { deliveries, nextPageToken } = await answerOf(
      api.POST('/api/v1/webhooks/list-deliveries', { body, signal }),
    );
    return { rows: deliveries, nextPageToken };
  });
  return (
    <Panel label={m.webhooks.deliveries}>
      <PanelHead
        title={m.webhooks.deliveries}
        actions={
          <FilterSelect
            label={m.webhooks.columns.status}
            value={status}
            onChoose={(value) => setStatus(STATUSES.find((one) => one === value) ?? '')}
            options={[
              ['', m.keys.anyStatus],
              ...STATUSES.map((one) => [one, m.webhooks.deliveryStatus[one] ?? one] as const),
            ]}
          />
        }
      />
      <List
        label={m.webhooks.deliveries}
        pages={pages}
        keyOf={({ deliveryId }) => deliveryId}
        columns={columnsOf(setOpened)}
        empty={
          <Empty icon="send" title={m.webhooks.noDeliveries}>
            {m.webhooks.noDeliveriesHint}
          </Empty>
        }
        {...(mayWrite ? { actions: (delivery: WebhookDelivery) => <Redeliver of={delivery} /> } : {})}
      />
      {opened === null ? null : <DeliveryDrawer of={opened} onClose={() => setOpened(null)} />}
    </Panel>
  );
}

const columnsOf = (
  open: (delivery: WebhookDelivery) => void,
): readonly [Column<WebhookDelivery>, ...Column<WebhookDelivery>[]] => [
  {
    head: m.webhooks.event,
    cell: (delivery) => (
      <button type="button" onClick={() => open(delivery)} className="font-mono text-[13px] hover:underline">
        {delivery.eventType}
      </button>
    ),
  },
  {
    head: m.webhooks.columns.status,
    cell: ({ status }) => <Badge tone={DELIVERY_TONES[status]}>{m.webhooks.deliveryStatus[status]}</Badge>,
  },
  {
    head: m.webhooks.attempts,
    cell: ({ attempts, nextAttemptAt }) => (
      <span className="num">
        {attempts}
        {nextAttemptAt === undefined ? null : (
          <span className="text-xs text-faint"> {m.webhooks.next(formatAgo(nextAttemptAt))}</span>
        )}
      </span>
    ),
  },
  {
    head: m.webhooks.answer,
    className: 'max-w-72',
    cell: ({ lastStatusCode, lastError }) => (
      <span className="block truncate text-soft" title={lastError}>
        {lastStatusCode} {lastError}
      </span>
    ),
  },
  { head: m.webhooks.created, cell: ({ createdAt }) => <Time of={createdAt} /> },
];

function Redeliver({ of: { deliveryId, status } }: { of: WebhookDelivery }) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const [keys] = useState(() => new IdempotencyKeys());
  const again = useMutation({
    mutationFn: () => {
      const body = { deliveryId };
      return answerOf(api.POST('/api/v1/webhooks/redeliver', { body, headers: keys.of({ ...body, at: Date.now() }) }));
    },
    onSuccess: async () => {
      announce(m.webhooks.redelivered);
      await queryClient.invalidateQueries({ queryKey: ['webhooks', 'deliveries'] });
    },
    onError: (error) => announce(messageOf(error)),
  });
  return (
    <Button
      size="small"
      look="ghost"
      disabled={status === 'PENDING'}
      busy={again.isPending}
      onClick={() => again.mutate()}
    >
      {m.webhooks.redeliver}
    </Button>
  );
}
