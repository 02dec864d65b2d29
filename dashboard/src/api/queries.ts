import { QueryClient, useInfiniteQuery, type QueryKey } from '@tanstack/react-query';
import { ApiError } from './api-error.js';

const FRESH_MS = 30_000;
const RETRIES = 2;

/** One for each stay in a tenant: data that was fetched in another tenant is gone with its client. */
export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: FRESH_MS,
        retry: (count, error) => count < RETRIES && !isFinal(error),
      },
    },
  });
}

/** Another try would get the same answer. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiError && error.status < 500 && error.status !== 429;
}

interface PageOf<Row> {
  readonly rows: readonly Row[];
  readonly nextPageToken: string;
}

/** A long list, page by page: one request for each page, no request for each row. */
export function usePages<Row>(key: QueryKey, load: (pageToken: string, signal: AbortSignal) => Promise<PageOf<Row>>) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => load(pageParam, signal),
    initialPageParam: '',
    getNextPageParam: ({ nextPageToken }) => (nextPageToken === '' ? undefined : nextPageToken),
  });
  return { ...query, rows: query.data?.pages.flatMap((page) => page.rows) };
}
export type Pages<Row> = ReturnType<typeof usePages<Row>>;
