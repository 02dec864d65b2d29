-- A tenant's own usable providers, without those of its gateways, in the order of creation. Read before a call
-- enters a tenant's transaction.
CREATE OR REPLACE FUNCTION find_llm_providers(p_tenant_id text)
  RETURNS TABLE (id text, name text, kind text, base_url text, models text[], settings jsonb, credentials bytea,
    revision integer)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT p.id, p.name, p.kind, p.base_url, p.models, p.settings, p.credentials, p.revision FROM llm_providers p
    WHERE p.tenant_id = p_tenant_id AND p.gateway_id IS NULL AND p.enabled ORDER BY p.created_at, p.id
  $$;

REVOKE EXECUTE ON FUNCTION find_llm_providers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_llm_providers TO gatehouse_app;
ALTER FUNCTION find_llm_providers OWNER TO gatehouse_definer;
