import { z } from 'zod';
import type { PageTokens } from './page-tokens.js';
import { integer, text } from '../protojson/index.js';

const DEFAULT_PAGE_SIZE = 50;

/** The fields of a request for a page. */
export const pageFields = {
  pageSize: integer(0, 500).default(0).meta({ description: '1 to 500; 0: 50.' }),
  pageToken: text(0, 512).default(''),
};
export const pageRequest = z.strictObject(pageFields);
export type PageRequest = z.output<typeof pageRequest>;

/** Where a page begins: after this record, newest first. */
export interface Cursor {
  readonly createdAt: Date;
  readonly id: string;
}

/** Prisma's filter for the records after a record, newest first. `id`: the column that orders records of the same time. */
export function olderThan<Id extends string = 'id'>(after: Cursor | null, id: Id = 'id' as Id): object {
  if (after === null) return {};
  const { createdAt } = after;
  // The first condition is redundant, but an index scan can begin at it.
  return { createdAt: { lte: createdAt }, OR: [{ createdAt: { lt: createdAt } }, { [id]: { lt: after.id } }] };
}

export interface Page<T> {
  readonly records: T[];
  readonly nextPageToken: string;
}

/**
 * Reads one page of a listing, newest first.
 *
 * @param scope what is listed, and whose it is: a token of another scope is refused
 * @throws Fault invalid_input: the page token is not of this listing
 */
export async function newestFirst<T>(
  tokens: PageTokens,
  scope: string,
  { pageSize, pageToken, tokenField }: PageRequest & { readonly tokenField?: string },
  cursorOf: (record: T) => Cursor,
  load: (after: Cursor | null, take: number) => Promise<T[]>,
): Promise<Page<T>> {
  const take = pageSize || DEFAULT_PAGE_SIZE;
  const after = tokens.read(scope, pageToken, tokenField);
  const found = await load(
    after === null ? null : { createdAt: new Date(Number(after[0])), id: String(after[1]) },
    take + 1,
  );
  const records = found.slice(0, take);
  const last = records.at(-1);
  if (found.length <= take || last === undefined) return { records, nextPageToken: '' };
  const { createdAt, id } = cursorOf(last);
  return { records, nextPageToken: tokens.write(scope, [createdAt.getTime(), id]) };
}
