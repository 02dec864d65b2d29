import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { formatCost, formatDuration, formatWhole } from '../../format/format.js';
import { m } from '../../messages/index.js';
import type { ChatUsage } from './stream.js';

/** A call is in the ledger a moment after its last byte. */
const LOOK_EVERY_MS = 400;
const MOST_LOOKS = 8;

export interface Use {
  readonly usage: ChatUsage;
  readonly requestId: string;
  readonly ms: number;
}

/** What the answer used, and what it cost as the ledger has it. */
export function Used({ of: { usage, requestId, ms } }: { of: Use }) {
  const may = useMay();
  const { data: call } = useQuery({
    queryKey: ['calls', 'of-request', requestId],
    queryFn: async ({ signal }) => {
      const body = { requestId, pageSize: 1 };
      return (await answerOf(api.POST('/api/v1/usage/list-calls', { body, signal }))).calls[0] ?? null;
    },
    enabled: may('POST /api/v1/usage/list-calls'),
    refetchInterval: ({ state }) => (!state.data && state.dataUpdateCount < MOST_LOOKS ? LOOK_EVERY_MS : false),
  });
  const facts = [
    m.playground.used(formatWhole(usage.prompt_tokens), formatWhole(usage.completion_tokens), formatDuration(ms)),
    ...(call ? [call.costMicros === undefined ? m.calls.noPrice : formatCost(call.costMicros)] : []),
  ];
  return (
    <p className="num flex flex-wrap gap-x-3 px-5 pb-3 text-xs text-faint">
      {facts.join(' · ')}
      {call ? (
        <Link to="/calls" search={{ call: call.callId }} className="text-accent-text hover:underline">
          {m.start.seeCall}
        </Link>
      ) : null}
    </p>
  );
}
