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

/** What a spreadsheet takes for the beginning of a formula. */
const FORMULA = /^[=+\-@＝＋－＠\t\r\n]/;
/** Where the semicolon parts the cells, what follows one is a cell of its own. */
const FORMULA_AFTER_SEMICOLON = /(?<=;\s*)(?=[=+\-@＝＋－＠])/g;
const TO_QUOTE = /[",;\r\n]/;
/** By which spreadsheets know the file for UTF-8. */
export const BYTE_ORDER_MARK = '\ufeff';

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
  return line(columnsOf(shape));
}

export function csvLines(shape: TableShape, rows: readonly UsageRowView[]): string {
  const columns = columnsOf(shape);
  return rows.map((row) => line(columns.map((column) => cell(column, String(row[column] ?? ''))))).join('');
}

/** RFC 4180: fields apart by commas, lines ended by CRLF. */
function line(cells: readonly string[]): string {
  return `${cells.join(',')}\r\n`;
}

/**
 * A spreadsheet must not run what a human's or a model's name says: text that begins as a formula gets an apostrophe
 * before it,
 * by which spreadsheets take it for text. Sums are our own digits: one below 0 (a correction) stays a number, or no
 * column could
 * be added up.
 */
function cell(column: Column, value: string): string {
  const text = column in measures ? value : withoutFormulas(value);
  return TO_QUOTE.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function withoutFormulas(value: string): string {
  return (FORMULA.test(value) ? `'${value}` : value).replaceAll(FORMULA_AFTER_SEMICOLON, "'");
}
