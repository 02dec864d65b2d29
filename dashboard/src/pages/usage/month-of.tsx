import { useState } from 'react';
import { formatCost, formatShort } from '../../format/format.js';
import { Await } from '../../kit/fault.js';
import { Skeleton } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { useUsage } from './use-usage.js';

const DAY_MS = 86_400_000;
const DAYS = 30;

interface MonthOfProps {
  readonly filter: { readonly keyId?: string; readonly human?: string; readonly gatewayId?: string };
}

/** What one key, human or gateway used in the last 30 days. */
export function MonthOf({ filter }: MonthOfProps) {
  const [startTime] = useState(() => new Date(Date.now() - DAYS * DAY_MS).toISOString());
  const usage = useUsage({ startTime, ...filter });
  const totals = usage.data?.totals;
  return (
    <section aria-label={m.usage.lastMonth} className="rounded-xl border border-line bg-panel p-5 shadow-xs">
      <h2 className="mb-3 font-semibold">{m.usage.lastMonth}</h2>
      <Await query={usage} pending={<Skeleton className="h-12" />}>
        <dl className="num grid grid-cols-2 gap-4 sm:grid-cols-4">
          <Figure name={m.measures.cost} value={formatCost(totals?.costMicros ?? 0)} />
          <Figure name={m.measures.requests} value={formatShort(totals?.callCnt ?? 0)} />
          <Figure name={m.measures.tokens} value={formatShort(totals?.tokenCnt ?? 0)} />
          <Figure name={m.measures.errors} value={formatShort(totals?.failedCallCnt ?? 0)} />
        </dl>
      </Await>
    </section>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt className="text-[13px] text-soft">{name}</dt>
      <dd className="text-lg font-semibold">{value}</dd>
    </div>
  );
}
