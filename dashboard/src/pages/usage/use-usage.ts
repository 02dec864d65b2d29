import { useQuery } from '@tanstack/react-query';
import { answerOf, api } from '../../api/client.js';
import type { RequestOf, UsagePage, UsageRow, UsageTotals } from '../../api/types.js';

type UsageQuery = RequestOf<'/api/v1/usage/query'>;

const PAGE_SIZE = 500;
/** More rows than that no chart can show. */
const MOST_PAGES = 10;

export interface UsageSums {
  readonly rows: readonly UsageRow[];
  readonly totals: UsageTotals;
}

/** The sums of the ledger, all pages of them. */
export function useUsage(body: UsageQuery) {
  return useQuery({
    queryKey: ['usage', body],
    queryFn: async ({ signal }): Promise<UsageSums> => {
      const rows: UsageRow[] = [];
      let pageToken = '';
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const asked = { ...body, pageSize: PAGE_SIZE, pageToken };
        // Only where a table is asked for is the answer a text.
        const answer = (await answerOf(api.POST('/api/v1/usage/query', { body: asked, signal }))) as UsagePage;
        rows.push(...answer.rows);
        pageToken = answer.nextPageToken;
        if (pageToken === '') return { rows, totals: answer.totals };
      }
      throw new RangeError('There are too many groups to show.');
    },
  });
}

/** What a key that the page is filtered by is called; until that is known, its id. */
export function useKeyName(keyId: string): string {
  const key = useQuery({
    queryKey: ['keys', 'one', keyId],
    queryFn: async ({ signal }) =>
      (await answerOf(api.POST('/api/v1/api-keys/get', { body: { keyId }, signal }))).apiKey,
    enabled: keyId !== '',
  });
  return key.data?.name ?? keyId;
}
