import { formatCost, formatWhole } from '../../format/format.js';
import { m } from '../../messages/index.js';

const MICROS = 1_000_000;

/** An amount without its unit; money has its sign. */
export const formatNumber = (type: string, value: number | string): string =>
  type === 'cost_micros' ? formatCost(value) : formatWhole(value);

/** An amount of a limit in its unit. */
export function formatAmount(type: string, value: number | string): string {
  const unit = type === 'cost_micros' ? '' : (m.limitUnits[type] ?? '');
  return `${formatNumber(type, value)} ${unit}`.trim();
}

/** The value as the user types it: costs in dollars, all else unchanged. */
export const typedOf = (type: string, value: number | string): string =>
  type === 'cost_micros' ? String(Number(value) / MICROS) : String(value);

export const amountOf = (type: string, typed: string): number =>
  type === 'cost_micros' ? Math.round(Number(typed) * MICROS) : Number(typed);
