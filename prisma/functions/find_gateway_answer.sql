-- An answer that a gateway keeps to exactly this request, if it is not too old.
CREATE OR REPLACE FUNCTION find_gateway_answer(p_tenant_id text, p_gateway_id text, p_key bytea)
  RETURNS TABLE (answer bytea, created_at timestamptz, expires_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT e.answer, e.created_at, e.expires_at FROM gateway_cache_entries e
    WHERE e.tenant_id = p_tenant_id AND e.gateway_id = p_gateway_id AND e.key = p_key AND e.expires_at > clock_timestamp()
  $$;

REVOKE EXECUTE ON FUNCTION find_gateway_answer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_gateway_answer TO gatehouse_app;
ALTER FUNCTION find_gateway_answer OWNER TO gatehouse_definer;
