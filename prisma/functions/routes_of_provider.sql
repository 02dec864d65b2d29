-- The names of the current tenant's routes that use a provider: while there are any, it can't be deleted. The caller holds the
-- provider's row, so that no such route is added meanwhile.
CREATE OR REPLACE FUNCTION routes_of_provider(p_provider_id text) RETURNS text[]
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT coalesce(array_agg(r.name ORDER BY r.name), '{}') FROM llm_routes r
    WHERE r.tenant_id = current_tenant_id() AND EXISTS (
      SELECT FROM llm_route_targets t
      WHERE t.tenant_id = r.tenant_id AND t.route_id = r.id AND t.provider_id = p_provider_id)
  $$;

REVOKE EXECUTE ON FUNCTION routes_of_provider FROM PUBLIC;
GRANT EXECUTE ON FUNCTION routes_of_provider TO gatehouse_app;
ALTER FUNCTION routes_of_provider OWNER TO gatehouse_definer;
