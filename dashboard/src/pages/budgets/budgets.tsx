import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { Budget } from '../../api/types.js';
import { formatAgo, formatPercent } from '../../format/format.js';
import { Button } from '../../kit/button.js';
import { ConfirmAction } from '../../kit/confirm-action.js';
import { Empty, Meter, Panel, PanelHead } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { formatAmount, formatNumber } from './amounts.js';
import { SetBudget, type Holder } from './set-budget.js';

const NEAR = 0.8;

interface BudgetsProps {
  readonly holder: Holder;
  readonly lead: string;
}

/** A holder's budgets, with what is used, held by open calls, and left. */
export function Budgets({ holder, lead }: BudgetsProps) {
  const may = useMay();
  const [setting, setSetting] = useState(false);
  const [removing, setRemoving] = useState<Budget | null>(null);
  const mayWrite = may('POST /api/v1/budgets/set');
  const pages = usePages<Budget>(['budgets', holder], async (pageToken, signal) => {
    const { budgets, nextPageToken } = await answerOf(
      api.POST('/api/v1/budgets/list', { body: { holder, pageToken }, signal }),
    );
    return { rows: budgets, nextPageToken };
  });
  return (
    <Panel label={m.budgets.title}>
      <PanelHead
        title={m.budgets.title}
        lead={lead}
        actions={
          mayWrite ? (
            <Button size="small" icon="plus" onClick={() => setSetting(true)}>
              {m.budgets.add}
            </Button>
          ) : null
        }
      />
      <List
        label={m.budgets.title}
        pages={pages}
        keyOf={({ budgetId }) => budgetId}
        empty={
          <Empty icon="gauge" title={m.budgets.none}>
            {m.budgets.noneHint}
          </Empty>
        }
        columns={[
          {
            head: m.budgets.type,
            cell: ({ type, period, models, alertAtPercent }) => (
              <>
                <span className="font-medium">{m.limitTypes[type] ?? type}</span>
                <span className="block text-xs whitespace-nowrap text-faint">
                  {[m.budgets.in[period] ?? period, ...models].join(', ')}
                </span>
                <span className="block text-xs whitespace-nowrap text-faint">
                  {m.budgets.alertsAt(alertAtPercent.map((mark) => formatPercent(mark / 100)).join(', '))}
                </span>
              </>
            ),
          },
          {
            head: m.budgets.limit,
            className: 'w-full min-w-48',
            cell: (budget) => <Used of={budget} />,
          },
        ]}
        {...(mayWrite
          ? {
              actions: (budget: Budget) => (
                <Button size="small" look="ghost" onClick={() => setRemoving(budget)}>
                  {m.budgets.remove}
                </Button>
              ),
            }
          : {})}
      />
      {setting ? <SetBudget holder={holder} lead={lead} onClose={() => setSetting(false)} /> : null}
      {removing === null ? null : (
        <ConfirmAction
          title={m.budgets.removeTitle}
          action={m.budgets.remove}
          done={m.kit.saved}
          stale={['budgets']}
          run={() => answerOf(api.POST('/api/v1/budgets/delete', { body: { budgetId: removing.budgetId } }))}
          onClose={() => setRemoving(null)}
        >
          <p>{m.budgets.removeLead}</p>
        </ConfirmAction>
      )}
    </Panel>
  );
}

function Used({ of: { type, used, held, remaining, limit, resetsAt } }: { of: Budget }) {
  const share = Number(limit) === 0 ? 1 : (Number(used) + Number(held)) / Number(limit);
  const parts = [
    m.budgets.left(formatAmount(type, remaining)),
    ...(held === '0' ? [] : [m.budgets.held(formatAmount(type, held))]),
    ...(resetsAt === undefined ? [] : [m.budgets.resets(formatAgo(resetsAt))]),
  ];
  return (
    <div className="grid w-full gap-1.5">
      <span className="num text-[13px]">
        {m.budgets.usedOf(formatNumber(type, used), formatAmount(type, limit))}
        <span className="text-soft"> · {parts.join(' · ')}</span>
      </span>
      <Meter share={share} tone={share >= 1 ? 'bad' : share >= NEAR ? 'warn' : 'accent'} />
    </div>
  );
}
