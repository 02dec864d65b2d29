-- Data keys that are not encrypted under the newest key.
CREATE OR REPLACE FUNCTION find_tenant_data_keys_to_rewrap(p_key_version integer, p_after text, p_limit integer)
  RETURNS TABLE (id uuid, tenant_id text, envelope bytea)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT k.id, k.tenant_id, k.envelope FROM tenant_data_keys k
    WHERE k.key_version <> p_key_version AND k.tenant_id > p_after ORDER BY k.tenant_id LIMIT p_limit
  $$;

REVOKE EXECUTE ON FUNCTION find_tenant_data_keys_to_rewrap FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_tenant_data_keys_to_rewrap TO gatehouse_app;
ALTER FUNCTION find_tenant_data_keys_to_rewrap OWNER TO gatehouse_definer;
