-- Forgets all answers that one of the current tenant's gateways keeps.
CREATE OR REPLACE FUNCTION clear_gateway_answers(p_gateway_id text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM 1 FROM gateway_cache_sizes s WHERE s.tenant_id = current_tenant_id() AND s.gateway_id = p_gateway_id FOR UPDATE;
  DELETE FROM gateway_cache_entries e WHERE e.tenant_id = current_tenant_id() AND e.gateway_id = p_gateway_id;
  UPDATE gateway_cache_sizes s SET bytes = 0 WHERE s.tenant_id = current_tenant_id() AND s.gateway_id = p_gateway_id;
END
$$;

REVOKE EXECUTE ON FUNCTION clear_gateway_answers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clear_gateway_answers TO gatehouse_app;
ALTER FUNCTION clear_gateway_answers OWNER TO gatehouse_definer;
