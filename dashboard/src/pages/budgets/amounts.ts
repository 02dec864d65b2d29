import { formatCost, formatWhole } from '../../format/format.js';
import { m } from '../../messages/index.js';

const MICROS = 1_000_000;

/** An amount of a limit in its unit. */
export function formatAmount(type: string, value: number | string): string {
  if (type === 'cost_micros') return formatCost(value);
  return `${formatWhole(value)} ${m.limitUnits[type] ?? ''}`.trim();
}

/** The value as the user types it: costs in dollars, all else unchanged. */
export const typedOf = (type: string, value: number | string): string =>
  type === 'cost_micros' ? String(Number(value) / MICROS) : String(value);

export const amountOf = (type: string, typed: string): number =>
  type === 'cost_micros' ? Math.round(Number(typed) * MICROS) : Number(typed);
