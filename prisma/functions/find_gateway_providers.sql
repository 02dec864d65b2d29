-- The usable providers of a tenant's gateway, in their order. Read before a call enters a tenant's transaction.
CREATE OR REPLACE FUNCTION find_gateway_providers(p_tenant_id text, p_gateway_id text)
  RETURNS TABLE (id text, name text, kind text, base_url text, models text[], settings jsonb, credentials bytea,
    revision integer)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT p.id, p.name, p.kind, p.base_url, p.models, p.settings, p.credentials, p.revision FROM llm_providers p
    WHERE p.tenant_id = p_tenant_id AND p.gateway_id = p_gateway_id AND p.enabled ORDER BY p.place, p.id
  $$;

REVOKE EXECUTE ON FUNCTION find_gateway_providers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_gateway_providers TO gatehouse_app;
ALTER FUNCTION find_gateway_providers OWNER TO gatehouse_definer;
