-- The routes of a tenant, each with its targets in their order. Read before a call enters a tenant's transaction.
CREATE OR REPLACE FUNCTION find_llm_routes(p_tenant_id text)
  RETURNS TABLE (name text, strategy text, attempts integer, retry_on text[], created integer, targets jsonb)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT r.name, r.strategy, r.attempts, r.retry_on, extract(epoch FROM r.created_at)::integer, (
      SELECT coalesce(jsonb_agg(jsonb_build_object('providerId', t.provider_id, 'model', t.model, 'weight', t.weight)
                                ORDER BY t.place), '[]')
      FROM llm_route_targets t WHERE t.tenant_id = r.tenant_id AND t.route_id = r.id)
    FROM llm_routes r WHERE r.tenant_id = p_tenant_id ORDER BY r.created_at, r.id
  $$;

REVOKE EXECUTE ON FUNCTION find_llm_routes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_llm_routes TO gatehouse_app;
ALTER FUNCTION find_llm_routes OWNER TO gatehouse_definer;
