import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { formatCost, formatPercent, formatShort, longDayIn, shortDayIn } from '../../format/format.js';
import { buttonClass } from '../../kit/button.js';
import { Legend, StackedBars } from '../../kit/chart.js';
import { Await } from '../../kit/fault.js';
import { Empty, Meter, PageHead, Panel, PanelHead, Skeleton } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { rangeOf, seriesOf, type Part } from '../usage/series.js';
import { useUsage } from '../usage/use-usage.js';
import { Attention } from './attention.js';

const ZONE = 'UTC';
const MOST_PARTS = 5;

export default function Overview() {
  const [nowMs] = useState(() => Date.now());
  const range = rangeOf('7d', nowMs);
  const weekMs = range.bucketMs * range.buckets.length;
  const earlier = new Date(Date.parse(range.startTime) - weekMs).toISOString();
  const models = useUsage({ startTime: range.startTime, groupBy: ['DAY', 'MODEL'] });
  const keys = useUsage({ startTime: range.startTime, groupBy: ['KEY'] });
  const before = useUsage({ startTime: earlier, endTime: range.startTime });
  const rows = models.data?.rows ?? [];
  const { parts, series } = seriesOf(rows, { group: 'MODEL', measure: 'cost', range });
  const keyParts = seriesOf(keys.data?.rows ?? [], { group: 'KEY', measure: 'cost', range }).parts;
  const [now, then] = [models.data?.totals, before.data?.totals];
  return (
    <>
      <PageHead title={m.overview.title} lead={m.overview.lead(ZONE)} />
      <div className="mb-4 grid grid-cols-2 gap-3 sm:gap-4 xl:grid-cols-4">
        <Tile name={m.measures.cost} value={now?.costMicros} before={then?.costMicros} format={formatCost} />
        <Tile name={m.measures.requests} value={now?.requestCnt} before={then?.requestCnt} format={formatShort} />
        <Tile name={m.measures.errors} value={now?.failedCallCnt} before={then?.failedCallCnt} format={formatShort} />
        <Tile name={m.measures.tokens} value={now?.tokenCnt} before={then?.tokenCnt} format={formatShort} />
      </div>
      <Attention unpriced={Number(now?.unpricedRequestCnt ?? 0)} />
      <Panel className="mb-4" label={m.overview.costByDay}>
        <PanelHead
          title={m.overview.costByDay}
          actions={
            <Link to="/usage" className={buttonClass('outline', 'small')}>
              {m.overview.seeUsage}
            </Link>
          }
        />
        <Await
          query={models}
          pending={
            <div className="p-5">
              <Skeleton className="h-60" />
            </div>
          }
        >
          {Number(now?.requestCnt ?? 0) === 0 ? (
            <Empty
              icon="rocket"
              title={m.overview.emptyTitle}
              action={
                <Link to="/start" className={buttonClass('primary')}>
                  {m.nav.start}
                </Link>
              }
            >
              {m.overview.empty}
            </Empty>
          ) : (
            <div className="px-5 pb-5">
              <StackedBars
                title={m.usage.chart(m.measures.cost, m.usage.groups['MODEL'] ?? '')}
                buckets={range.buckets}
                series={series}
                format={formatCost}
                tickOf={shortDayIn(ZONE)}
                nameOf={longDayIn(ZONE)}
                height={220}
              />
              <div className="mt-4">
                <Legend names={series.map(({ name }) => name)} />
              </div>
            </div>
          )}
        </Await>
      </Panel>
      {parts.length === 0 && keyParts.length === 0 ? null : (
        <div className="grid grid-cols-[minmax(0,1fr)] gap-4 lg:grid-cols-2">
          <Top title={m.overview.topModels} parts={parts} />
          <Top title={m.overview.topKeys} parts={keyParts} />
        </div>
      )}
    </>
  );
}

interface TileProps {
  readonly name: string;
  readonly value: string | undefined;
  readonly before: string | undefined;
  readonly format: (value: string) => string;
}

function Tile({ name, value, before, format }: TileProps) {
  return (
    <Panel className="px-4 py-3.5 sm:px-5 sm:py-4" label={name}>
      <p className="text-[13px] text-soft">{name}</p>
      {value === undefined ? (
        <Skeleton className="my-1.5 h-7 w-24" />
      ) : (
        <p className="num text-[26px] leading-tight font-semibold tracking-tight">{format(value)}</p>
      )}
      <p className="mt-1 text-xs text-faint">
        {value === undefined || before === undefined ? ' ' : compared(value, before)}
      </p>
    </Panel>
  );
}

function compared(value: string, before: string): string {
  const [now, then] = [Number(value), Number(before)];
  if (then === 0) return m.overview.nothingBefore;
  const change = (now - then) / then;
  if (Math.abs(change) < 0.005) return m.overview.same;
  return m.overview.compared(formatPercent(Math.abs(change)), change > 0 ? 'up' : 'down');
}

function Top({ title, parts }: { title: string; parts: readonly Part[] }): ReactNode {
  const whole = parts.reduce((sum, part) => sum + part.sum, 0);
  return (
    <Panel label={title}>
      <PanelHead title={title} />
      <ul className="grid gap-3.5 px-5 pb-5">
        {parts.slice(0, MOST_PARTS).map(({ id, name, sum, filter }) => (
          <li key={id}>
            <div className="mb-1.5 flex items-baseline justify-between gap-4">
              {filter === undefined ? (
                <span className="truncate">{name}</span>
              ) : (
                <Link to="/calls" search={filter} className="truncate hover:underline" title={m.usage.toCalls(name)}>
                  {name}
                </Link>
              )}
              <span className="num text-soft">{formatCost(sum)}</span>
            </div>
            <Meter share={sum / whole} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}
