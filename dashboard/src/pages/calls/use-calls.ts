import { answerOf, api } from '../../api/client.js';
import { usePages, type Pages } from '../../api/queries.js';
import type { Call } from '../../api/types.js';
import type { CallsSearch } from './calls-search.js';

export type CallsFilter = Omit<CallsSearch, 'call'>;

/** The log of calls, by its filters, page by page. */
export const useCalls = (filter: CallsFilter): Pages<Call> =>
  usePages<Call>(['calls', filter], async (pageToken, signal) => {
    const { calls, nextPageToken } = await answerOf(
      api.POST('/api/v1/usage/list-calls', { body: { ...filter, pageToken }, signal }),
    );
    return { rows: calls, nextPageToken };
  });
