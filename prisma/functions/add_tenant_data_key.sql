-- Gives a tenant a data key if it has none, and returns the one that it has: where several are made at once, the first.
-- No row: the tenant is gone.
CREATE OR REPLACE FUNCTION add_tenant_data_key(p_tenant_id text, p_id uuid, p_envelope bytea, p_key_version integer)
  RETURNS TABLE (id uuid, envelope bytea)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  INSERT INTO tenant_data_keys (tenant_id, id, envelope, key_version)
    VALUES (p_tenant_id, p_id, p_envelope, p_key_version) ON CONFLICT (tenant_id) DO NOTHING;
  -- A statement of its own, since it must see what another transaction committed meanwhile.
  RETURN QUERY SELECT k.id, k.envelope FROM tenant_data_keys k WHERE k.tenant_id = p_tenant_id;
EXCEPTION WHEN foreign_key_violation THEN
  RETURN;
END
$$;

REVOKE EXECUTE ON FUNCTION add_tenant_data_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_tenant_data_key TO gatehouse_app;
ALTER FUNCTION add_tenant_data_key OWNER TO gatehouse_definer;
