import { measures, type Group, type UsageRowView } from './usage-query.dto.js';

type Column = Exclude<keyof UsageRowView, symbol>;

const GROUP_COLUMNS: readonly (readonly [Column, readonly Group[]])[] = [
  ['startTime', ['HOUR', 'DAY']],
  ['model', ['MODEL']],
  ['keyId', ['KEY']],
  ['humanId', ['HUMAN']],
  ['human', ['HUMAN']],
];
const MEASURES = Object.keys(measures) as (keyof typeof measures)[];

/** What a spreadsheet takes for the beginning of a formula. */
const FORMULA = /^[=+\-@\t\r\n]/;
const TO_QUOTE = /[",\r\n]/;

/** The columns of a table that is grouped so, whatever is in it. */
function columnsOf(groupBy: readonly Group[]): readonly Column[] {
  const grouped = GROUP_COLUMNS.filter(([, groups]) => groups.some((group) => groupBy.includes(group)));
  return [...grouped.map(([column]) => column), ...MEASURES];
}

export function csvHeader(groupBy: readonly Group[]): string {
  return line(columnsOf(groupBy));
}

export function csvLines(groupBy: readonly Group[], rows: readonly UsageRowView[]): string {
  const columns = columnsOf(groupBy);
  return rows.map((row) => line(columns.map((column) => cell(column, row[column] ?? '')))).join('');
}

/** RFC 4180: fields apart by commas, lines ended by CRLF. */
function line(cells: readonly string[]): string {
  return `${cells.join(',')}\r\n`;
}

/**
 * Whoever opens the file must not run what one of the tenant's humans, or a model's name, says: text that begins as a
 * formula does gets an apostrophe before it, by which spreadsheets take it for text. Sums are our own digits: one below 0
 * (a correction) stays a number, or no column could be added up.
 */
function cell(column: Column, value: string): string {
  const text = column in measures || !FORMULA.test(value) ? value : `'${value}`;
  return TO_QUOTE.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
