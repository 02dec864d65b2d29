-- How many tenants' data keys are encrypted under each version of the operator's key.
CREATE OR REPLACE FUNCTION tenant_data_key_versions() RETURNS TABLE (version integer, secrets integer)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT k.key_version, count(*)::integer FROM tenant_data_keys k GROUP BY k.key_version ORDER BY k.key_version
  $$;

REVOKE EXECUTE ON FUNCTION tenant_data_key_versions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_data_key_versions TO gatehouse_app;
ALTER FUNCTION tenant_data_key_versions OWNER TO gatehouse_definer;
