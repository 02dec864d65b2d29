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

/** What a table's columns go by. */
export interface TableShape {
  readonly groupBy: readonly Group[];
  /** Above 0: a row may be of all groups that are not named. */
  readonly top: number;
}

/** The columns of a table that is grouped so, whatever is in it. */
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

/** Sums are our own digits: one below 0 (a correction) stays a number, or no column could be added up. */
function cell(column: Column, value: string): string {
  return column in measures ? value : textCell(value);
}
