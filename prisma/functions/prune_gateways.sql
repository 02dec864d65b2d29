-- Deletes kept answers and bodies whose time is over. Returns how many; `p_limit` or more: there may be more. A gateway's size
-- is locked before its entries, as in keep_gateway_answer; a busy gateway waits for the next time.
CREATE OR REPLACE FUNCTION prune_gateways(p_limit integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_size record;
  v_freed bigint;
  v_count integer;
  v_pruned integer;
BEGIN
  DELETE FROM gateway_call_bodies b USING (
    SELECT o.id FROM gateway_call_bodies o WHERE o.expires_at <= v_now LIMIT p_limit) AS old
  WHERE b.id = old.id;
  GET DIAGNOSTICS v_pruned = ROW_COUNT;
  FOR v_size IN
    SELECT s.tenant_id, s.gateway_id FROM gateway_cache_sizes s
    WHERE (s.tenant_id, s.gateway_id) IN (
      SELECT o.tenant_id, o.gateway_id FROM gateway_cache_entries o WHERE o.expires_at <= v_now
      ORDER BY o.expires_at LIMIT p_limit)
    FOR UPDATE SKIP LOCKED
  LOOP
    WITH gone AS (
      DELETE FROM gateway_cache_entries e
      WHERE e.tenant_id = v_size.tenant_id AND e.gateway_id = v_size.gateway_id AND e.key IN (
        SELECT o.key FROM gateway_cache_entries o
        WHERE o.tenant_id = v_size.tenant_id AND o.gateway_id = v_size.gateway_id AND o.expires_at <= v_now LIMIT p_limit)
      RETURNING e.bytes)
    SELECT coalesce(sum(g.bytes), 0), count(*) INTO v_freed, v_count FROM gone g;
    UPDATE gateway_cache_sizes s SET bytes = greatest(0, s.bytes - v_freed)
      WHERE s.tenant_id = v_size.tenant_id AND s.gateway_id = v_size.gateway_id;
    v_pruned := v_pruned + v_count;
  END LOOP;
  RETURN v_pruned;
END
$$;

REVOKE EXECUTE ON FUNCTION prune_gateways FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_gateways TO gatehouse_app;
ALTER FUNCTION prune_gateways OWNER TO gatehouse_definer;
