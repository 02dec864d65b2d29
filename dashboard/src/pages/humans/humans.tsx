import { useNavigate } from '@tanstack/react-router';
import { useDeferredValue, useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { Human } from '../../api/types.js';
import { formatDay } from '../../format/format.js';
import { Button, IconButton } from '../../kit/button.js';
import { SearchField } from '../../kit/fields.js';
import { ActionMenu } from '../../kit/menu.js';
import { Badge, Empty, PageHead, Panel } from '../../kit/surface.js';
import { List, type Column } from '../../kit/table.js';
import { Time } from '../../kit/time.js';
import { m } from '../../messages/index.js';
import { AddHuman } from './add-human.js';
import { formatAmount } from '../budgets/amounts.js';
import { EraseHuman } from './erase-human.js';
import { HumanDrawer } from './human-drawer.js';
import { HumanLimits } from './human-limits.js';

type Doing = { readonly kind: 'show' | 'limits' | 'erase'; readonly human: Human };

export default function Humans() {
  const may = useMay();
  const navigate = useNavigate();
  const [search, setSearch] = useState('');
  const [adding, setAdding] = useState(false);
  const [doing, setDoing] = useState<Doing | null>(null);
  const wanted = useDeferredValue(search.trim());
  const pages = usePages<Human>(['humans', wanted], async (pageToken, signal) => {
    const body = { search: wanted, pageToken };
    const { humans, nextPageToken } = await answerOf(api.POST('/api/v1/humans/list', { body, signal }));
    return { rows: humans, nextPageToken };
  });
  const mayWrite = may('POST /api/v1/humans/upsert');
  return (
    <>
      <PageHead
        title={m.humans.title}
        lead={m.humans.lead}
        actions={
          mayWrite ? (
            <Button look="primary" icon="plus" onClick={() => setAdding(true)}>
              {m.humans.add}
            </Button>
          ) : null
        }
      />
      <Panel>
        <div className="border-b border-line p-3">
          <SearchField label={m.humans.search} value={search} onSearch={setSearch} />
        </div>
        <List
          label={m.humans.title}
          pages={pages}
          keyOf={({ human }) => human}
          columns={columnsOf((human) => setDoing({ kind: 'show', human }))}
          empty={
            wanted === '' ? (
              <Empty icon="users" title={m.humans.empty}>
                {m.humans.emptyHint}
              </Empty>
            ) : (
              <Empty icon="search" title={m.humans.none}>
                {m.humans.noneHint}
              </Empty>
            )
          }
          actions={(human) => (
            <ActionMenu
              trigger={<IconButton icon="ellipsis" label={m.kit.actionsFor(human.human)} />}
              groups={[
                {
                  entries: [
                    {
                      label: m.humans.usage,
                      icon: 'chart-column',
                      onSelect: () => void navigate({ to: '/usage', search: { human: human.human } }),
                    },
                    {
                      label: m.humans.calls,
                      icon: 'list-tree',
                      onSelect: () => void navigate({ to: '/calls', search: { human: human.human } }),
                    },
                  ],
                },
                {
                  entries: mayWrite
                    ? [
                        {
                          label: m.humans.setLimits,
                          icon: 'gauge',
                          onSelect: () => setDoing({ kind: 'limits', human }),
                        },
                        {
                          label: m.humans.erase,
                          icon: 'trash',
                          danger: true,
                          onSelect: () => setDoing({ kind: 'erase', human }),
                        },
                      ]
                    : [],
                },
              ]}
            />
          )}
        />
      </Panel>
      {adding ? <AddHuman onClose={() => setAdding(false)} /> : null}
      {doing?.kind === 'show' ? <HumanDrawer of={doing.human} onClose={() => setDoing(null)} /> : null}
      {doing?.kind === 'limits' ? <HumanLimits of={doing.human} onClose={() => setDoing(null)} /> : null}
      {doing?.kind === 'erase' ? <EraseHuman of={doing.human} onClose={() => setDoing(null)} /> : null}
    </>
  );
}

const columnsOf = (open: (human: Human) => void): readonly [Column<Human>, ...Column<Human>[]] => [
  {
    head: m.humans.columns.human,
    className: 'max-w-80',
    cell: (one) => (
      <button
        type="button"
        title={one.human}
        onClick={() => open(one)}
        className="block max-w-full truncate font-medium hover:underline"
      >
        {one.human}
      </button>
    ),
  },
  {
    head: m.humans.columns.left,
    cell: ({ limits }) => (
      <span className="flex flex-wrap gap-1.5">
        {limits.length === 0 ? <span className="text-soft">{m.humans.unlimited}</span> : null}
        {limits.map(({ type, value }) => (
          <Badge key={type} tone={value > 0 ? 'plain' : 'bad'}>
            {m.humans.left(formatAmount(type, value))}
          </Badge>
        ))}
      </span>
    ),
  },
  { head: m.humans.columns.seen, cell: ({ lastSeenAt }) => <Time of={lastSeenAt} /> },
  {
    head: m.humans.columns.since,
    wideOnly: true,
    cell: ({ createdAt }) => <span className="whitespace-nowrap text-soft">{formatDay(createdAt)}</span>,
  },
];
