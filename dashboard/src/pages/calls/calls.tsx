import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import type { Call } from '../../api/types.js';
import { ZONE } from '../../format/format.js';
import { Button } from '../../kit/button.js';
import { FilterSelect, INPUT } from '../../kit/fields.js';
import { Badge, Empty, PageHead, Panel } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { columnsOf } from './call-columns.js';
import { CallDrawer } from './call-drawer.js';
import { STATUSES, type CallsSearch } from './calls-search.js';
import { useCalls } from './use-calls.js';

const NEWS_EVERY_MS = 10_000;
const MOST_NEWS = 50;

export default function Calls() {
  const search = useSearch({ from: '/calls' });
  const { call: opened, ...filter } = search;
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const key = ['calls', filter];
  const pages = useCalls(filter);
  const newest = pages.rows?.[0];
  const news = useNews(filter, newest, pages.isSuccess);
  const set = (change: CallsSearch): void =>
    void navigate({ to: '/calls', search: { ...search, ...change }, replace: true });
  const isFiltered = Object.keys(filter).length > 0;
  return (
    <>
      <PageHead title={m.calls.title} lead={m.calls.lead} />
      <Panel>
        <div className="flex flex-wrap items-center gap-2.5 border-b border-line p-3">
          <FilterSelect
            label={m.calls.status}
            value={filter.status ?? ''}
            onChoose={(value) => void navigate({ to: '/calls', search: withStatus(search, value), replace: true })}
            options={[['', m.calls.any], ...STATUSES.map((one) => [one, m.calls.statuses[one] ?? one] as const)]}
          />
          <TextFilter
            key={`model ${filter.model ?? ''}`}
            label={m.calls.filterModel}
            value={filter.model}
            onSet={(model) => set({ model })}
          />
          <TextFilter
            key={`human ${filter.human ?? ''}`}
            label={m.calls.human}
            value={filter.human}
            onSet={(human) => set({ human })}
          />
          <TextFilter
            key={`request ${filter.requestId ?? ''}`}
            label={m.calls.filterRequest}
            value={filter.requestId}
            onSet={(requestId) => set({ requestId })}
          />
          {filter.keyId === undefined ? null : <Badge tone="accent">{newest?.keyName ?? filter.keyId}</Badge>}
          {filter.gatewayId === undefined ? null : (
            <Badge tone="accent">{newest?.gatewayName ?? filter.gatewayId}</Badge>
          )}
          {isFiltered ? (
            <Button size="small" look="ghost" icon="x" onClick={() => void navigate({ to: '/calls', search: {} })}>
              {m.calls.clear}
            </Button>
          ) : null}
          <span className="ml-auto text-xs text-faint">{ZONE}</span>
        </div>
        {news > 0 ? (
          <div className="grid place-items-center border-b border-line bg-accent-wash p-2">
            <Button size="small" icon="refresh-cw" onClick={() => void queryClient.resetQueries({ queryKey: key })}>
              {news >= MOST_NEWS ? m.calls.newsMany(MOST_NEWS) : m.calls.news(news)}
            </Button>
          </div>
        ) : null}
        <List
          label={m.calls.title}
          pages={pages}
          keyOf={({ callId }) => callId}
          columns={columnsOf((callId) => set({ call: callId }))}
          empty={
            isFiltered ? (
              <Empty icon="search" title={m.calls.none}>
                {m.calls.noneHint}
              </Empty>
            ) : (
              <Empty icon="list-tree" title={m.calls.empty}>
                {m.calls.emptyHint}
              </Empty>
            )
          }
        />
      </Panel>
      <CallDrawer callId={opened} onClose={() => void navigate({ to: '/calls', search: filter, replace: true })} />
    </>
  );
}

function withStatus({ status: _status, ...others }: CallsSearch, value: string): CallsSearch {
  const status = STATUSES.find((one) => one === value);
  return status === undefined ? others : { ...others, status };
}

/** How many calls came since. The list itself stays still while it is read, and a hidden tab asks nothing. */
function useNews(filter: CallsSearch, newest: Call | undefined, isLoaded: boolean): number {
  const [loadedAt] = useState(() => new Date().toISOString());
  const startTime = newest?.createdAt ?? loadedAt;
  const { data = 0 } = useQuery({
    queryKey: ['calls-news', filter, startTime],
    queryFn: async ({ signal }) => {
      const { call: _call, ...asked } = filter;
      const body = { ...asked, startTime, pageSize: MOST_NEWS };
      const { calls } = await answerOf(api.POST('/api/v1/usage/list-calls', { body, signal }));
      return calls.filter(({ callId }) => callId !== newest?.callId).length;
    },
    enabled: isLoaded,
    refetchInterval: NEWS_EVERY_MS,
    refetchIntervalInBackground: false,
  });
  return data;
}

/** Applied at Enter, or when the field is left, and not at each letter. */
function TextFilter({
  label,
  value = '',
  onSet,
}: {
  label: string;
  value: string | undefined;
  onSet: (text: string) => void;
}) {
  return (
    <input
      aria-label={label}
      placeholder={label}
      defaultValue={value}
      className={`${INPUT} max-w-40 text-[13px]`}
      onKeyDown={(event) => {
        if (event.key === 'Enter') onSet(event.currentTarget.value.trim());
      }}
      onBlur={(event) => {
        if (event.target.value.trim() !== value) onSet(event.target.value.trim());
      }}
    />
  );
}
