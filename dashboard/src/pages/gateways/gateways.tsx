import { Link } from '@tanstack/react-router';
import { useDeferredValue, useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { Gateway } from '../../api/types.js';
import { formatDay } from '../../format/format.js';
import { Button } from '../../kit/button.js';
import { SearchField } from '../../kit/fields.js';
import { Badge, Empty, PageHead, Panel } from '../../kit/surface.js';
import { List, type Column } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { CreateGateway } from './create-gateway.js';
import { saidLimits } from './limits.js';

export default function Gateways() {
  const may = useMay();
  const [search, setSearch] = useState('');
  const [creating, setCreating] = useState(false);
  const [round, setRound] = useState(0);
  const wanted = useDeferredValue(search.trim());
  const pages = usePages<Gateway>(['gateways', wanted], async (pageToken, signal) => {
    const body = { search: wanted, pageToken };
    const { gateways, nextPageToken } = await answerOf(api.POST('/api/v1/gateways/list', { body, signal }));
    return { rows: gateways, nextPageToken };
  });
  const create = may('POST /api/v1/gateways/create') ? (
    <Button look="primary" icon="plus" onClick={() => setCreating(true)}>
      {m.gateways.create}
    </Button>
  ) : null;
  return (
    <>
      <PageHead title={m.gateways.title} lead={m.gateways.lead} actions={create} />
      <Panel>
        <div className="border-b border-line p-3">
          <SearchField label={m.gateways.search} value={search} onSearch={setSearch} />
        </div>
        <List
          label={m.gateways.title}
          pages={pages}
          keyOf={({ id }) => id}
          columns={COLUMNS}
          empty={
            wanted === '' ? (
              <Empty icon="door-open" title={m.gateways.empty}>
                {m.gateways.emptyHint}
              </Empty>
            ) : (
              <Empty icon="search" title={m.gateways.none}>
                {m.gateways.noneHint}
              </Empty>
            )
          }
        />
      </Panel>
      <CreateGateway
        key={round}
        open={creating}
        onClose={() => setCreating(false)}
        onGone={() => setRound(round + 1)}
      />
    </>
  );
}

const COLUMNS: readonly [Column<Gateway>, ...Column<Gateway>[]] = [
  {
    head: m.gateways.name,
    className: 'max-w-64',
    cell: ({ id, name }) => (
      <>
        <Link
          to="/gateways/$gatewayId"
          params={{ gatewayId: id }}
          className="block truncate font-medium hover:underline"
        >
          {name}
        </Link>
        <span className="block truncate font-mono text-xs text-faint">{id}</span>
      </>
    ),
  },
  {
    head: m.gateways.columns.providers,
    className: 'max-w-56',
    cell: ({ providers }) => <span className="block truncate">{providers.map(({ name }) => name).join(', ')}</span>,
  },
  {
    head: m.gateways.columns.limits,
    cell: ({ rateLimit }) => (
      <span className="text-soft">{saidLimits(rateLimit).join(', ') || m.gateways.noLimits}</span>
    ),
  },
  {
    head: m.gateways.columns.access,
    cell: ({ authenticated }) =>
      authenticated ? (
        <Badge tone="good">{m.gateways.authenticated}</Badge>
      ) : (
        <Badge tone="warn">{m.gateways.open}</Badge>
      ),
  },
  {
    head: m.gateways.columns.created,
    cell: ({ createdAt }) => <span className="whitespace-nowrap text-soft">{formatDay(createdAt)}</span>,
  },
];
