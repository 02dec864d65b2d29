import { csvLine, textCell } from '../../platform/csv/index.js';
import { measures, type Group, type UsageRowView } from './usage-query.dto.js';

type Column = Exclude<keyof UsageRowView, symbol>;

const GROUP_COLUMNS: readonly (readonly [Column, readonly Group[]])[] = [
  ['startTime', ['HOUR', 'DAY']],
  ['model', ['MODEL']],
  ['keyId', ['KEY']],
  ['keyName', ['KEY']],
  ['humanId', ['HUMAN']],
  ['human', ['HUMAN']],
  ['userId', ['USER']],
  ['provider', ['PROVIDER']],
  ['gatewayId', ['GATEWAY']],
  ['gatewayName', ['GATEWAY']],
  ['outcome', ['OUTCOME']],
];
const MEASURES = Object.keys(measures) as (keyof typeof measures)[];

/** The request's fields that decide a table's columns. */
export interface TableShape {
  readonly groupBy: readonly Group[];
  /** Above 0: a row may stand for all groups that are not named. */
  readonly top: number;
}

/** A table's columns depend on its groups alone, not on its rows. */
function columnsOf({ groupBy, top }: TableShape): readonly Column[] {
  const grouped = GROUP_COLUMNS.filter(([, groups]) => groups.some((group) => groupBy.includes(group)));
  return [...grouped.map(([column]) => column), ...(top > 0 ? (['other'] as const) : []), ...MEASURES];
}

export function csvHeader(shape: TableShape): string {
  return csvLine(columnsOf(shape));
}

export function csvLines(shape: TableShape, rows: readonly UsageRowView[]): string {
  const columns = columnsOf(shape);
  return rows.map((row) => csvLine(columns.map((column) => cell(column, String(row[column] ?? ''))))).join('');
}

/**
 * Sums are our own digits and need no escape as text: a negative one (a correction) stays a number, so that
 * the column can be added up.
 */
function cell(column: Column, value: string): string {
  return column in measures ? value : textCell(value);
}
