import { useNavigate, useSearch } from '@tanstack/react-router';
import { useDeferredValue, useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { UsageToken } from '../../api/types.js';
import { formatTime } from '../../format/format.js';
import { Button, IconButton } from '../../kit/button.js';
import { ConfirmAction } from '../../kit/confirm-action.js';
import { FilterSelect, SearchField } from '../../kit/fields.js';
import { Badge, Empty, PageHead, Panel, type Tone } from '../../kit/surface.js';
import { List, type Column } from '../../kit/table.js';
import { Time } from '../../kit/time.js';
import { m } from '../../messages/index.js';

type Status = UsageToken['status'];

const STATUSES = ['ACTIVE', 'EXPIRED', 'REVOKED'] as const satisfies readonly Status[];
const TONES: Readonly<Record<Status, Tone>> = { ACTIVE: 'good', EXPIRED: 'plain', REVOKED: 'plain' };

/** The tokens of a tenant's humans, of all keys; the tokens themselves are stored nowhere. */
export default function Tokens() {
  const may = useMay();
  const navigate = useNavigate();
  const { human = '' } = useSearch({ from: '/tokens' });
  const [search, setSearch] = useState('');
  const [status, setStatus] = useState<Status | ''>('');
  const [revoking, setRevoking] = useState<UsageToken | null>(null);
  const wanted = useDeferredValue(search.trim());
  const pages = usePages<UsageToken>(['usage-tokens', wanted, status, human], async (pageToken, signal) => {
    const filter = { ...(status === '' ? {} : { status }), ...(human === '' ? {} : { human }) };
    const body = { search: wanted, pageToken, ...filter };
    const { tokens, nextPageToken } = await answerOf(api.POST('/api/v1/usage/list-tokens', { body, signal }));
    return { rows: tokens, nextPageToken };
  });
  const mayRevoke = may('POST /api/v1/usage/revoke-token');
  const isFiltered = wanted !== '' || status !== '' || human !== '';
  return (
    <>
      <PageHead title={m.tokens.title} lead={m.tokens.lead} />
      <Panel>
        <div className="flex flex-wrap items-center gap-2.5 border-b border-line p-3">
          <SearchField label={m.tokens.search} value={search} onSearch={setSearch} />
          <FilterSelect
            label={m.tokens.status}
            value={status}
            onChoose={(value) => setStatus(STATUSES.find((one) => one === value) ?? '')}
            options={[['', m.keys.anyStatus], ...STATUSES.map((one) => [one, m.keys.status[one]] as const)]}
          />
          {human === '' ? null : (
            <span className="inline-flex min-w-0 items-center gap-1.5">
              <Badge tone="accent">
                {m.usage.filteredBy} {human}
              </Badge>
              <IconButton icon="x" label={m.usage.clear} onClick={() => void navigate({ to: '/tokens', search: {} })} />
            </span>
          )}
        </div>
        <List
          label={m.tokens.title}
          pages={pages}
          keyOf={({ tokenId }) => tokenId}
          columns={COLUMNS}
          empty={
            isFiltered ? (
              <Empty icon="search" title={m.tokens.none}>
                {m.tokens.noneHint}
              </Empty>
            ) : (
              <Empty icon="ticket" title={m.tokens.empty}>
                {m.tokens.emptyHint}
              </Empty>
            )
          }
          {...(mayRevoke
            ? {
                actions: (token: UsageToken) =>
                  token.status === 'ACTIVE' ? (
                    <Button
                      size="small"
                      look="ghost"
                      aria-label={m.tokens.revokeFor(token.human)}
                      onClick={() => setRevoking(token)}
                    >
                      {m.tokens.revoke}
                    </Button>
                  ) : null,
              }
            : {})}
        />
      </Panel>
      {revoking === null ? null : (
        <ConfirmAction
          title={m.tokens.revokeTitle(revoking.human)}
          action={m.tokens.revoke}
          done={m.tokens.revoked}
          stale={['usage-tokens']}
          run={() => answerOf(api.POST('/api/v1/usage/revoke-token', { body: { tokenId: revoking.tokenId } }))}
          onClose={() => setRevoking(null)}
        >
          <p>{m.tokens.revokeLead}</p>
        </ConfirmAction>
      )}
    </>
  );
}

const COLUMNS: readonly [Column<UsageToken>, ...Column<UsageToken>[]] = [
  {
    head: m.tokens.columns.human,
    className: 'max-w-72',
    cell: ({ human, tokenId }) => (
      <>
        <span className="block truncate font-medium" title={human}>
          {human}
        </span>
        <span className="block truncate font-mono text-xs text-faint">{tokenId}</span>
      </>
    ),
  },
  {
    head: m.tokens.columns.key,
    className: 'max-w-48',
    cell: ({ keyName }) => <span className="block truncate">{keyName}</span>,
  },
  {
    head: m.tokens.columns.created,
    wideOnly: true,
    cell: ({ createdAt }) => <span className="whitespace-nowrap text-soft">{formatTime(createdAt)}</span>,
  },
  { head: m.tokens.columns.expires, cell: ({ expiresAt }) => <Time of={expiresAt} /> },
  { head: m.tokens.status, cell: ({ status }) => <Badge tone={TONES[status]}>{m.keys.status[status]}</Badge> },
];
