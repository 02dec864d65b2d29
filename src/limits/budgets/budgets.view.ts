import { formatTimestamp } from '../../platform/protojson/index.js';
import type { BudgetView } from './budgets.dto.js';
import type { BudgetRecord } from './budgets.repository.js';
import { decimalOf } from './usage-limits.js';

export function viewBudget(record: BudgetRecord): BudgetView {
  const { raiseUntil, resetsAt } = record;
  const allowed = raiseUntil === null ? record.amount : record.amount + record.raiseBy;
  const remaining = allowed - record.used;
  return {
    budgetId: record.id,
    holder: viewHolder(record),
    type: record.type,
    period: record.period,
    timeZone: record.timeZone,
    models: [...(record.models ?? [])],
    limit: decimalOf(String(record.amount)),
    ...(raiseUntil === null
      ? {}
      : { raise: { by: decimalOf(String(record.raiseBy)), until: formatTimestamp(raiseUntil) } }),
    alertAtPercent: [...record.alertAt],
    used: decimalOf(String(record.used)),
    held: decimalOf(String(record.held)),
    remaining: decimalOf(String(remaining < 0n ? 0n : remaining)),
    ...(resetsAt === null ? {} : { resetsAt: formatTimestamp(resetsAt) }),
    createdAt: formatTimestamp(record.createdAt),
  };
}

const FIELD: Readonly<Record<string, keyof BudgetView['holder']>> = {
  key: 'keyId',
  gateway: 'gatewayId',
  gateway_token: 'gatewayTokenId',
};

function viewHolder({ holder, human }: BudgetRecord): BudgetView['holder'] {
  if (holder === 'tenant') return { tenant: true };
  if (human !== null) return { human };
  const colon = holder.indexOf(':');
  const field = FIELD[holder.slice(0, colon)];
  return field === undefined ? {} : { [field]: holder.slice(colon + 1) };
}
