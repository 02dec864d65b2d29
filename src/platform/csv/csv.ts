import { StreamableFile } from '@nestjs/common';

export const CSV_TYPE = 'text/csv; charset=utf-8';

/** What a spreadsheet takes for the beginning of a formula; some drop spaces and invisible characters before it. */
const FORMULA = /^(?:[\t\r\n]|[\s\p{Cf}]*[=+\-@＝＋－＠])/u;
/** Where the semicolon parts the cells, what follows one is a cell of its own. */
const FORMULA_AFTER_SEMICOLON = /(?<=;[\s\p{Cf}]*)(?=[=+\-@＝＋－＠])/gu;
const TO_QUOTE = /[",;\r\n]/;
/** By which spreadsheets know the file for UTF-8. */
const BYTE_ORDER_MARK = '\ufeff';

/** RFC 4180: fields apart by commas, lines ended by CRLF. Cells of text go through `textCell` first. */
export function csvLine(cells: readonly string[]): string {
  const quoted = cells.map((cell) => (TO_QUOTE.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell));
  return `${quoted.join(',')}\r\n`;
}

/**
 * A spreadsheet must not run what another user wrote: text that begins as a formula gets an apostrophe before it, by which
 * spreadsheets take it for text.
 */
export function textCell(value: string): string {
  return (FORMULA.test(value) ? `'${value}` : value).replaceAll(FORMULA_AFTER_SEMICOLON, "'");
}

/** The file as an answer that browsers save. */
export function csvFile(name: string, csv: string): StreamableFile {
  const bytes = Buffer.from(BYTE_ORDER_MARK + csv);
  return new StreamableFile(bytes, {
    type: CSV_TYPE,
    length: bytes.length,
    disposition: `attachment; filename="${name}"`,
  });
}
