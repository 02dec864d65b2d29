-- Charges humans' limits. Where a limit was set again meanwhile, or the human was erased, nothing changes. Rows are locked
-- in one order, as in reserve_usage, and only then read. How it is planned: see reserve_usage.
CREATE OR REPLACE FUNCTION charge_humans(p_charges human_charge[]) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
BEGIN
  IF p_charges IS NULL THEN
    RETURN;
  END IF;
  PERFORM 1 FROM humans h
    JOIN (SELECT DISTINCT c.tenant_id, c.human_id FROM unnest(p_charges) AS c) AS c
      ON h.id = ANY (ARRAY[c.human_id]) AND h.tenant_id IS NOT DISTINCT FROM c.tenant_id
    ORDER BY c.tenant_id, c.human_id FOR NO KEY UPDATE OF h;
  UPDATE humans h SET
    token_cnt = h.token_cnt - d.tokens, token_cnt_reserved = h.token_cnt_reserved - d.tokens_reserved,
    request_cnt = h.request_cnt - d.requests, request_cnt_reserved = h.request_cnt_reserved - d.requests_reserved,
    cost_micros = h.cost_micros - d.cost, cost_micros_reserved = h.cost_micros_reserved - d.cost_reserved
  FROM (
    SELECT c.tenant_id, c.human_id,
           coalesce(sum(c.tokens) FILTER (WHERE c.token_epoch = l.token_cnt_epoch), 0)::bigint AS tokens,
           coalesce(sum(c.tokens_reserved) FILTER (WHERE c.token_epoch = l.token_cnt_epoch), 0)::bigint AS tokens_reserved,
           coalesce(sum(c.requests) FILTER (WHERE c.request_epoch = l.request_cnt_epoch), 0)::bigint AS requests,
           coalesce(sum(c.requests_reserved) FILTER (WHERE c.request_epoch = l.request_cnt_epoch), 0)::bigint
             AS requests_reserved,
           coalesce(sum(c.cost) FILTER (WHERE c.cost_epoch = l.cost_micros_epoch), 0)::bigint AS cost,
           coalesce(sum(c.cost_reserved) FILTER (WHERE c.cost_epoch = l.cost_micros_epoch), 0)::bigint AS cost_reserved
    FROM unnest(p_charges) AS c JOIN humans l ON l.id = ANY (ARRAY[c.human_id]) AND l.tenant_id IS NOT DISTINCT FROM c.tenant_id
    GROUP BY c.tenant_id, c.human_id) AS d
  WHERE h.id = ANY (ARRAY[d.human_id]) AND h.tenant_id IS NOT DISTINCT FROM d.tenant_id;
END
$$;

REVOKE EXECUTE ON FUNCTION charge_humans FROM PUBLIC;
ALTER FUNCTION charge_humans OWNER TO gatehouse_definer;
