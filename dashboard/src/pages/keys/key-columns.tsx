import type { ApiKey } from '../../api/types.js';
import { formatAgo, formatDay, formatTime, formatWhole } from '../../format/format.js';
import { Badge, Mono, type Tone } from '../../kit/surface.js';
import type { Column } from '../../kit/table.js';
import { Time } from '../../kit/time.js';
import { m } from '../../messages/index.js';

const TONES: Readonly<Record<ApiKey['status'], Tone>> = { ACTIVE: 'good', REVOKED: 'plain', EXPIRED: 'warn' };

export const columnsOf = (open: (key: ApiKey) => void): readonly [Column<ApiKey>, ...Column<ApiKey>[]] => [
  {
    head: m.kit.name,
    className: 'max-w-64',
    cell: (key) => {
      const { name, createdBy, createdAt } = key;
      const made = m.keys.created(formatDay(createdAt), createdBy.email ?? createdBy.userId);
      return (
        <>
          <button
            type="button"
            title={name}
            onClick={() => open(key)}
            className="block max-w-full truncate font-medium hover:underline"
          >
            {name}
          </button>
          <span className="block truncate text-xs text-faint" title={made}>
            {made}
          </span>
        </>
      );
    },
  },
  {
    head: m.keys.columns.key,
    cell: ({ keyPrefix, oldSecretsExpireAt }) => (
      <>
        <Mono className="text-soft">{keyPrefix}…</Mono>
        {oldSecretsExpireAt === undefined ? null : (
          <span className="block text-xs text-warn" title={m.keyRotate.until(formatTime(oldSecretsExpireAt))}>
            {m.keys.oldEnds(formatAgo(oldSecretsExpireAt))}
          </span>
        )}
      </>
    ),
  },
  {
    head: m.keys.columns.scopes,
    cell: ({ permissions }) => (
      <span title={permissions.join('\n')}>
        <Badge>{permissions.length === 1 ? permissions[0] : m.keys.scopeCount(permissions.length)}</Badge>
      </span>
    ),
  },
  {
    head: m.keys.columns.limit,
    align: 'end',
    cell: ({ rateLimit }) => (
      <span className="whitespace-nowrap text-soft">{m.keys.perMinute(formatWhole(rateLimit.requestsPerMinute))}</span>
    ),
  },
  { head: m.keys.columns.used, cell: ({ lastUsedAt }) => <Time of={lastUsedAt} /> },
  { head: m.keys.columns.expires, wideOnly: true, cell: ({ expiresAt }) => <Time of={expiresAt} /> },
  {
    head: m.keys.columns.status,
    cell: ({ status }) => <Badge tone={TONES[status]}>{m.keys.status[status]}</Badge>,
  },
];
