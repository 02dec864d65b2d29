-- The encrypted data key of a tenant; no row: it has none yet. Read before a call enters a tenant's transaction.
CREATE OR REPLACE FUNCTION find_tenant_data_key(p_tenant_id text) RETURNS TABLE (id uuid, envelope bytea)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT k.id, k.envelope FROM tenant_data_keys k WHERE k.tenant_id = p_tenant_id
  $$;

REVOKE EXECUTE ON FUNCTION find_tenant_data_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_tenant_data_key TO gatehouse_app;
ALTER FUNCTION find_tenant_data_key OWNER TO gatehouse_definer;
