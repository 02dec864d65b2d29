-- Keeps an answer in a gateway's cache, and deletes the oldest ones until there is room. Nothing is kept if the gateway is
-- gone, no longer caches, or changed since the call began (`p_revision`): the answer may be another provider's.
CREATE OR REPLACE FUNCTION keep_gateway_answer(p_tenant_id text, p_gateway_id text, p_revision text, p_key bytea, p_answer bytea)
  RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_size integer := octet_length(p_answer) + octet_length(p_key);
  v_most bigint;
  v_ttl_seconds integer;
  v_bytes bigint;
  v_freed bigint;
BEGIN
  SELECT g.cache_max_bytes, g.cache_ttl_seconds INTO v_most, v_ttl_seconds FROM gateways g
    WHERE g.tenant_id = p_tenant_id AND g.id = p_gateway_id AND g.cache_ttl_seconds IS NOT NULL
      AND g.updated_at::text = p_revision
    FOR SHARE;
  IF NOT FOUND OR v_size > v_most THEN
    RETURN;
  END IF;
  INSERT INTO gateway_cache_sizes (tenant_id, gateway_id, bytes) VALUES (p_tenant_id, p_gateway_id, 0)
    ON CONFLICT DO NOTHING;
  -- One transaction at a time for each gateway: its size is locked before any of its entries.
  SELECT s.bytes INTO v_bytes FROM gateway_cache_sizes s
    WHERE s.tenant_id = p_tenant_id AND s.gateway_id = p_gateway_id FOR UPDATE;
  DELETE FROM gateway_cache_entries e WHERE e.tenant_id = p_tenant_id AND e.gateway_id = p_gateway_id AND e.key = p_key
    RETURNING e.bytes INTO v_freed;
  v_bytes := v_bytes - coalesce(v_freed, 0) + v_size;
  WHILE v_bytes > v_most LOOP
    WITH gone AS (
      DELETE FROM gateway_cache_entries e
      WHERE e.tenant_id = p_tenant_id AND e.gateway_id = p_gateway_id AND e.key IN (
        SELECT o.key FROM gateway_cache_entries o WHERE o.tenant_id = p_tenant_id AND o.gateway_id = p_gateway_id
        ORDER BY o.created_at LIMIT 8)
      RETURNING e.bytes)
    SELECT sum(g.bytes) INTO v_freed FROM gone g;
    v_bytes := CASE WHEN v_freed IS NULL THEN v_size ELSE v_bytes - v_freed END;
  END LOOP;
  INSERT INTO gateway_cache_entries (tenant_id, gateway_id, key, answer, bytes, created_at, expires_at)
    VALUES (p_tenant_id, p_gateway_id, p_key, p_answer, v_size, v_now, v_now + make_interval(secs => v_ttl_seconds));
  UPDATE gateway_cache_sizes s SET bytes = v_bytes WHERE s.tenant_id = p_tenant_id AND s.gateway_id = p_gateway_id;
END
$$;

REVOKE EXECUTE ON FUNCTION keep_gateway_answer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_gateway_answer TO gatehouse_app;
ALTER FUNCTION keep_gateway_answer OWNER TO gatehouse_definer;
