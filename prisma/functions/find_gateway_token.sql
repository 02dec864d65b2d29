-- The gateway token with one of these hashes: at most one row.
CREATE OR REPLACE FUNCTION find_gateway_token(p_hashes bytea[])
  RETURNS TABLE (id text, tenant_id text, gateway_id text, hash bytea, pepper_version integer, expires_at timestamptz,
                 expired boolean)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT t.id, t.tenant_id, t.gateway_id, t.hash, t.pepper_version, t.expires_at,
           coalesce(t.expires_at <= clock_timestamp(), false)
    FROM gateway_tokens t WHERE t.hash = ANY (p_hashes)
  $$;

REVOKE EXECUTE ON FUNCTION find_gateway_token FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_gateway_token TO gatehouse_app;
ALTER FUNCTION find_gateway_token OWNER TO gatehouse_definer;
