/** What one page of long texts may hold. Pages of hundreds of texts, megabytes each, would end the process. */
const PAGE_BYTES = 4 * 1024 * 1024;

/** Rows as `fittingRows` reads them. */
export interface Fitting {
  /** How many rows there were, those that did not fit included. */
  readonly candidates: number;
}

/**
 * SQL for the first of some rows: as many as hold `PAGE_BYTES` together, and the first in any case. Postgres looks at the
 * sizes alone, and reads no text that does not fit.
 *
 * @param rows a SELECT of rows in this order, with a limit
 * @param text the column that holds a row's bytes
 */
export function fittingRows(rows: string, text: string, order: string): string {
  return `SELECT * FROM (
      SELECT r.*, row_number() OVER w AS at, sum(octet_length(r.${text})) OVER w AS bytes, (count(*) OVER ())::integer AS candidates
      FROM (${rows}) r WINDOW w AS (ORDER BY ${order})) f
    WHERE f.at = 1 OR f.bytes <= ${PAGE_BYTES}
    ORDER BY f.at`;
}

/** One page of them: `take` at most, where one more was asked for; and whether rows stand behind it. */
export function pageOf<T extends Fitting>(
  rows: readonly T[],
  take: number,
): { readonly page: T[]; readonly isLast: boolean } {
  const page = rows.slice(0, take);
  return { page, isLast: (rows[0]?.candidates ?? 0) <= page.length };
}
