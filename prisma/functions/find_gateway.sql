-- A gateway, whoever's it is: its callers present no tenant. At most one row.
CREATE OR REPLACE FUNCTION find_gateway(p_id text)
  RETURNS TABLE (id text, tenant_id text, authenticated boolean, cache_ttl_seconds integer, cache_max_bytes bigint,
                 body_retention_days integer)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT g.id, g.tenant_id, g.authenticated, g.cache_ttl_seconds, g.cache_max_bytes, g.body_retention_days
    FROM gateways g WHERE g.id = p_id
  $$;

REVOKE EXECUTE ON FUNCTION find_gateway FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_gateway TO gatehouse_app;
ALTER FUNCTION find_gateway OWNER TO gatehouse_definer;
