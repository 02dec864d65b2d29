import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api/client.js';
import {
  formatCost,
  formatPercent,
  formatShort,
  formatWhole,
  longDayIn,
  shortDayIn,
  ZONE,
} from '../../format/format.js';
import { IconButton } from '../../kit/button.js';
import { Legend, StackedBars } from '../../kit/chart.js';
import { Download } from '../../kit/download.js';
import { Await } from '../../kit/fault.js';
import { FilterSelect, Segmented } from '../../kit/fields.js';
import { Badge, Empty, Meter, Note, PageHead, Panel, Skeleton } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { hourIn } from './hours.js';
import { rangeOf, seriesOf, type Part } from './series.js';
import { GROUPS, MEASURES, PERIODS, type Measure, type UsageSearch } from './usage-search.js';
import { useKeyName, useUsage } from './use-usage.js';

const UTC = 'UTC';
const FORMATS: Readonly<Record<Measure, (value: number) => string>> = {
  cost: formatCost,
  requests: formatShort,
  tokens: formatShort,
};

export default function Usage() {
  const search = useSearch({ from: '/usage' });
  const { period = '30d', by = 'MODEL', measure = 'cost', keyId = '', human = '', model = '' } = search;
  const navigate = useNavigate();
  const [nowMs] = useState(() => Date.now());
  const zone = search.zone === 'local' ? ZONE : UTC;
  const range = rangeOf(period, nowMs, zone);
  const keyName = useKeyName(keyId);
  const filter = { keyId, human, model };
  const usage = useUsage({ startTime: range.startTime, groupBy: [range.bucket, by], timeZone: zone, ...filter });
  const set = (change: UsageSearch): void =>
    void navigate({ to: '/usage', search: { ...search, ...change }, replace: true });
  const format = FORMATS[measure];
  const { parts, series } = seriesOf(usage.data?.rows ?? [], { group: by, measure, range });
  const total = usage.data?.totals;
  return (
    <>
      <PageHead
        title={m.usage.title}
        lead={m.usage.lead}
        actions={<Csv startTime={range.startTime} by={by} filter={{ ...filter, timeZone: zone }} />}
      />
      <div className="mb-4 flex flex-wrap items-center gap-2.5">
        <Segmented
          label={m.usage.period}
          value={period}
          onChoose={(value) => set({ period: value })}
          options={PERIODS.map((one) => [one, m.usage.periods[one] ?? one])}
        />
        <Segmented
          label={m.usage.measure}
          value={measure}
          onChoose={(value) => set({ measure: value })}
          options={MEASURES.map((one) => [one, m.measures[one]])}
        />
        <Segmented
          label={m.usage.by}
          value={by}
          onChoose={(value) => set({ by: value })}
          options={GROUPS.map((one) => [one, m.usage.groups[one] ?? one])}
        />
        {ZONE === UTC ? (
          <Badge>{UTC}</Badge>
        ) : (
          <FilterSelect
            label={m.usage.zone}
            value={search.zone ?? 'utc'}
            onChoose={(value) => set({ zone: value === 'local' ? 'local' : 'utc' })}
            options={[
              ['utc', UTC],
              ['local', ZONE],
            ]}
          />
        )}
        <Filters names={[keyName, human, model]} onClear={() => set(NO_FILTER)} />
      </div>
      <Panel className="mb-4" label={m.usage.chart(m.measures[measure], m.usage.groups[by] ?? by)}>
        <Await
          query={usage}
          pending={
            <div className="p-5">
              <Skeleton className="h-72" />
            </div>
          }
        >
          {parts.length === 0 ? (
            <Empty icon="chart-column" title={m.usage.empty}>
              {m.usage.emptyHint}
            </Empty>
          ) : (
            <div className="p-5">
              <p className="text-[13px] text-soft">{m.usage.total(m.measures[measure])}</p>
              <p className="num mb-4 text-3xl font-semibold tracking-tight">
                {format(
                  Number(
                    measure === 'cost'
                      ? total?.costMicros
                      : measure === 'requests'
                        ? total?.requestCnt
                        : total?.tokenCnt,
                  ),
                )}
              </p>
              <StackedBars
                title={m.usage.chart(m.measures[measure], m.usage.groups[by] ?? by)}
                buckets={range.buckets}
                series={series}
                format={format}
                tickOf={range.bucket === 'HOUR' ? hourIn(zone) : shortDayIn(zone)}
                nameOf={range.bucket === 'HOUR' ? hourIn(zone) : longDayIn(zone)}
              />
              <div className="mt-4">
                <Legend names={series.map(({ name }) => name)} />
              </div>
              {measure === 'cost' && Number(total?.unpricedRequestCnt) > 0 ? (
                <div className="mt-4">
                  <Note>{m.usage.noPrice(formatWhole(total?.unpricedRequestCnt ?? 0))}</Note>
                </div>
              ) : null}
            </div>
          )}
        </Await>
      </Panel>
      {parts.length === 0 ? null : <Parts parts={parts} format={format} group={m.usage.groups[by] ?? by} />}
    </>
  );
}

const NO_FILTER: UsageSearch = { keyId: '', human: '', model: '' };

function Filters({ names, onClear }: { names: readonly string[]; onClear: () => void }) {
  const shown = names.filter((name) => name !== '');
  if (shown.length === 0) return null;
  return (
    <span className="inline-flex items-center gap-1.5">
      <Badge tone="accent">
        {m.usage.filteredBy} {shown.join(', ')}
      </Badge>
      <IconButton icon="x" label={m.usage.clear} onClick={onClear} />
    </span>
  );
}

function Parts({ parts, format, group }: { parts: readonly Part[]; format: (value: number) => string; group: string }) {
  const whole = parts.reduce((sum, part) => sum + part.sum, 0);
  return (
    <Panel label={group}>
      <ul>
        {parts.map(({ id, name, sum, filter }) => (
          <li key={id} className="border-t border-line px-5 py-3 first:border-0">
            <div className="mb-1.5 flex items-baseline gap-4">
              <span className="min-w-0 flex-1 truncate">
                {filter === undefined ? (
                  name
                ) : (
                  <Link to="/calls" search={filter} className="hover:underline" title={m.usage.toCalls(name)}>
                    {name}
                  </Link>
                )}
              </span>
              <span className="num font-medium">{format(sum)}</span>
              <span className="num w-14 text-right text-soft">{formatPercent(sum / whole)}</span>
            </div>
            <Meter share={sum / whole} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}

interface CsvProps {
  readonly startTime: string;
  readonly by: (typeof GROUPS)[number];
  readonly filter: {
    readonly keyId: string;
    readonly human: string;
    readonly model: string;
    readonly timeZone: string;
  };
}

/** The table on the screen, as the API's own CSV. */
function Csv({ startTime, by, filter }: CsvProps) {
  const load = async (): Promise<Blob> => {
    const body = { startTime, groupBy: ['DAY' as const, by], format: 'CSV' as const, ...filter };
    const { data } = await api.POST('/api/v1/usage/query', { body, parseAs: 'blob' });
    return data as unknown as Blob;
  };
  return <Download file={m.usage.download} load={load} />;
}
