-- The models that a key may use; empty: any. No row: the key is gone. Read before a call enters a tenant's transaction.
CREATE OR REPLACE FUNCTION find_key_models(p_tenant_id text, p_key_id text) RETURNS TABLE (models text[])
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT k.models FROM api_keys k WHERE k.tenant_id = p_tenant_id AND k.id = p_key_id
  $$;

REVOKE EXECUTE ON FUNCTION find_key_models FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_key_models TO gatehouse_app;
ALTER FUNCTION find_key_models OWNER TO gatehouse_definer;
