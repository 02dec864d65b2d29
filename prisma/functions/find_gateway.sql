-- A gateway of any tenant, since its callers name no tenant. At most one row.
CREATE OR REPLACE FUNCTION find_gateway(p_id text)
  RETURNS TABLE (id text, tenant_id text, authenticated boolean, cache_ttl_seconds integer,
                 body_retention_days integer, revision text)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT g.id, g.tenant_id, g.authenticated, g.cache_ttl_seconds, g.body_retention_days,
           g.updated_at::text
    FROM gateways g WHERE g.id = p_id
  $$;

REVOKE EXECUTE ON FUNCTION find_gateway FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_gateway TO gatehouse_app;
ALTER FUNCTION find_gateway OWNER TO gatehouse_definer;
