import type { Call } from '../../api/types.js';
import { formatAgo, formatCost, formatDuration, formatTime, formatWhole } from '../../format/format.js';
import { Badge, type Tone } from '../../kit/surface.js';
import type { Column } from '../../kit/table.js';
import { m } from '../../messages/index.js';

export const TONES: Readonly<Record<Call['status'], Tone>> = { Success: 'good', Error: 'bad', Timeout: 'warn' };

export function columnsOf(open: (callId: string) => void): readonly [Column<Call>, ...Column<Call>[]] {
  return [
    {
      head: m.calls.columns.model,
      className: 'max-w-64',
      cell: ({ callId, model, provider, operation, createdAt }) => (
        <>
          <button
            type="button"
            onClick={() => open(callId)}
            aria-label={m.calls.open(model, formatTime(createdAt))}
            className="block max-w-full truncate font-medium hover:underline"
          >
            {model}
          </button>
          <span className="block truncate text-xs text-faint">
            {provider} · {operation}
          </span>
        </>
      ),
    },
    {
      head: m.calls.columns.who,
      className: 'max-w-48',
      cell: (call) => (
        <>
          <span className="block truncate">{call.keyName ?? call.gatewayName ?? call.userId ?? call.keyId ?? ''}</span>
          {call.human === undefined ? null : <span className="block truncate text-xs text-faint">{call.human}</span>}
        </>
      ),
    },
    {
      head: m.calls.columns.tokens,
      align: 'end',
      cell: ({ inputTokens, outputTokens }) => formatWhole(Number(inputTokens) + Number(outputTokens)),
    },
    {
      head: m.calls.columns.cost,
      align: 'end',
      cell: ({ costMicros }) =>
        costMicros === undefined ? <span className="text-faint">{m.calls.noPrice}</span> : formatCost(costMicros),
    },
    {
      head: m.calls.columns.duration,
      align: 'end',
      wideOnly: true,
      cell: ({ durationMs }) => (
        <span className="whitespace-nowrap">{durationMs === undefined ? '' : formatDuration(durationMs)}</span>
      ),
    },
    {
      head: m.calls.columns.status,
      cell: ({ status }) => <Badge tone={TONES[status]}>{m.calls.statuses[status]}</Badge>,
    },
    {
      head: m.calls.columns.time,
      cell: ({ createdAt }) => (
        <time dateTime={createdAt} title={formatTime(createdAt)} className="whitespace-nowrap text-soft">
          {formatAgo(createdAt)}
        </time>
      ),
    },
  ];
}
