import { useQuery } from '@tanstack/react-query';
import { answerOf, api } from '../../api/client.js';
import type { RequestOf, UsagePage, UsageRow, UsageTotals } from '../../api/types.js';

type UsageQuery = RequestOf<'/api/v1/usage/query'>;

const PAGE_SIZE = 500;
/** A chart can't show more rows than that. */
const MOST_PAGES = 10;

export interface UsageSums {
  readonly rows: readonly UsageRow[];
  readonly totals: UsageTotals;
}

/** The sums of the ledger, of all pages. */
export function useUsage(body: UsageQuery) {
  return useQuery({
    queryKey: ['usage', body],
    queryFn: async ({ signal }): Promise<UsageSums> => {
      const rows: UsageRow[] = [];
      let pageToken = '';
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const asked = { ...body, pageSize: PAGE_SIZE, pageToken };
        // The answer is a text only where a table is requested.
        const answer = (await answerOf(api.POST('/api/v1/usage/query', { body: asked, signal }))) as UsagePage;
        rows.push(...answer.rows);
        pageToken = answer.nextPageToken;
        if (pageToken === '') return { rows, totals: answer.totals };
      }
      throw new RangeError('There are too many groups to show.');
    },
  });
}

/** The name of the key that filters the page; until it has loaded, the key's id. */
export function useKeyName(keyId: string): string {
  const key = useQuery({
    queryKey: ['keys', 'one', keyId],
    queryFn: async ({ signal }) =>
      (await answerOf(api.POST('/api/v1/api-keys/get', { body: { keyId }, signal }))).apiKey,
    enabled: keyId !== '',
  });
  return key.data?.name ?? keyId;
}
