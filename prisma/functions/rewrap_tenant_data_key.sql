-- Replaces the envelope of a data key, unless it changed since the new one was made from it.
CREATE OR REPLACE FUNCTION rewrap_tenant_data_key(p_id uuid, p_old bytea, p_new bytea, p_key_version integer) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE tenant_data_keys SET envelope = p_new, key_version = p_key_version WHERE id = p_id AND envelope = p_old
  $$;

REVOKE EXECUTE ON FUNCTION rewrap_tenant_data_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rewrap_tenant_data_key TO gatehouse_app;
ALTER FUNCTION rewrap_tenant_data_key OWNER TO gatehouse_definer;
