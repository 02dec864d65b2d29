-- Compares the configured peppers, each as its version and a fixed text hashed under it, with those of live keys' secrets.
-- Returns the versions of such secrets that are not configured, or have a changed secret (`configured`). A version without live
-- secrets may change its secret, and the new one is remembered.
CREATE OR REPLACE FUNCTION check_peppers(p_versions integer[], p_hashes bytea[])
  RETURNS TABLE (version integer, secrets integer, configured boolean)
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    INSERT INTO pepper_checks AS known (version, hash)
    SELECT given.version, given.hash FROM unnest(p_versions, p_hashes) AS given (version, hash) ORDER BY given.version
    ON CONFLICT (version) DO UPDATE SET hash = excluded.hash
    WHERE known.hash <> excluded.hash
      AND NOT EXISTS (
        SELECT FROM api_keys k
        WHERE k.pepper_version = excluded.version AND k.revoked_at IS NULL AND (k.expires_at <= now()) IS NOT TRUE)
      AND NOT EXISTS (
        SELECT FROM api_key_retired_secrets s WHERE s.pepper_version = excluded.version AND s.expires_at > now());

    SELECT live.version, count(*)::integer, live.version = ANY (p_versions)
    FROM (
      SELECT k.pepper_version FROM api_keys k WHERE k.revoked_at IS NULL AND (k.expires_at <= now()) IS NOT TRUE
      UNION ALL
      SELECT s.pepper_version FROM api_key_retired_secrets s WHERE s.expires_at > now()
    ) AS live (version)
    LEFT JOIN unnest(p_versions, p_hashes) AS given (version, hash) ON given.version = live.version
    LEFT JOIN pepper_checks known ON known.version = live.version
    WHERE given.version IS NULL OR known.hash <> given.hash
    GROUP BY live.version
    ORDER BY live.version
  $$;

REVOKE EXECUTE ON FUNCTION check_peppers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION check_peppers TO gatehouse_app;
ALTER FUNCTION check_peppers OWNER TO gatehouse_definer;
