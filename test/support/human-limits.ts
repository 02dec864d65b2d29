const columns = [
  'token_cnt',
  'request_cnt',
  'cost_micros',
  'conversational_seconds',
  'voice_synthesis_seconds',
  'memory_message_cnt',
]
  .map(
    (type) => `(sum(b.amount - b.used) FILTER (WHERE b.type = '${type}'))::bigint AS ${type},
               coalesce(sum(b.held) FILTER (WHERE b.type = '${type}'), 0)::bigint AS ${type}_reserved`,
  )
  .join(', ');

/** Humans with the rest of each of their limits, and the part that open calls hold, in millionths; for a FROM clause. */
export const HUMAN_LIMITS = `(
  SELECT h.tenant_id, h.human, h.id, ${columns}
  FROM humans h LEFT JOIN budgets b ON b.tenant_id = h.tenant_id AND b.human_id = h.id AND b.period = 'NONE'
  GROUP BY h.tenant_id, h.human)`;
