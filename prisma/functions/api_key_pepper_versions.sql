-- How many live secrets of API keys need each pepper, over all tenants.
CREATE OR REPLACE FUNCTION api_key_pepper_versions() RETURNS TABLE (version integer, secrets integer)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT live.version, count(*)::integer
    FROM (
      SELECT k.pepper_version FROM api_keys k WHERE k.revoked_at IS NULL AND (k.expires_at <= now()) IS NOT TRUE
      UNION ALL
      SELECT s.pepper_version FROM api_key_retired_secrets s WHERE s.expires_at > now()
    ) AS live (version)
    GROUP BY live.version ORDER BY live.version
  $$;

REVOKE EXECUTE ON FUNCTION api_key_pepper_versions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_pepper_versions TO gatehouse_app;
ALTER FUNCTION api_key_pepper_versions OWNER TO gatehouse_definer;
