import { formatDuration, formatTime, ZONE } from '../../format/format.js';
import type { WebhookDelivery } from '../../api/types.js';
import { Drawer } from '../../kit/dialog.js';
import { Badge, Empty, Facts, Mono } from '../../kit/surface.js';
import { Table } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { DELIVERY_TONES } from './deliveries.js';

/** One delivery with each of its attempts. */
export function DeliveryDrawer({ of, onClose }: { of: WebhookDelivery; onClose: () => void }) {
  const { attemptLog, nextAttemptAt } = of;
  return (
    <Drawer open title={of.eventType} onClose={onClose}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-5">
        <Facts
          rows={[
            [
              m.webhooks.columns.status,
              <Badge tone={DELIVERY_TONES[of.status]}>{m.webhooks.deliveryStatus[of.status]}</Badge>,
            ],
            [m.webhooks.created, `${formatTime(of.createdAt)} (${ZONE})`],
            ...(nextAttemptAt === undefined ? [] : [[m.webhooks.nextAttempt, formatTime(nextAttemptAt)] as const]),
            [m.webhooks.deliveryId, <Mono>{of.deliveryId}</Mono>],
            [m.webhooks.eventId, <Mono>{of.eventId}</Mono>],
          ]}
        />
        <section aria-label={m.webhooks.attempts} className="rounded-xl border border-line bg-panel">
          {attemptLog.length === 0 ? (
            <Empty icon="send" title={m.webhooks.noAttempts} />
          ) : (
            <Table
              label={m.webhooks.attempts}
              rows={attemptLog}
              keyOf={({ attempt }) => String(attempt)}
              columns={[
                { head: m.webhooks.attempt, cell: ({ attempt }) => <span className="num">{attempt}</span> },
                {
                  head: m.webhooks.began,
                  cell: ({ beganAt }) => <span className="whitespace-nowrap text-soft">{formatTime(beganAt)}</span>,
                },
                {
                  head: m.webhooks.took,
                  align: 'end',
                  cell: ({ beganAt, endedAt }) => formatDuration(Date.parse(endedAt) - Date.parse(beganAt)),
                },
                {
                  head: m.webhooks.answered,
                  cell: ({ statusCode, error }) => (
                    <Badge tone={error === undefined ? 'good' : 'bad'}>
                      {[statusCode, error].filter((part) => part !== undefined).join(' ')}
                    </Badge>
                  ),
                },
              ]}
            />
          )}
        </section>
      </div>
    </Drawer>
  );
}
