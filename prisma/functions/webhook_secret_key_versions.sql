-- How many webhook secrets of all tenants are encrypted under each version of the operator's key.
CREATE OR REPLACE FUNCTION webhook_secret_key_versions() RETURNS TABLE (version integer, secrets integer)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT s.key_version, count(*)::integer FROM webhook_secrets s GROUP BY s.key_version ORDER BY s.key_version
  $$;

REVOKE EXECUTE ON FUNCTION webhook_secret_key_versions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhook_secret_key_versions TO gatehouse_app;
ALTER FUNCTION webhook_secret_key_versions OWNER TO gatehouse_definer;
