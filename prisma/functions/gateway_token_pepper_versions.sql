-- How many live tokens of gateways need each pepper, over all tenants.
CREATE OR REPLACE FUNCTION gateway_token_pepper_versions() RETURNS TABLE (version integer, secrets integer)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT t.pepper_version, count(*)::integer FROM gateway_tokens t WHERE (t.expires_at <= now()) IS NOT TRUE
    GROUP BY t.pepper_version ORDER BY t.pepper_version
  $$;

REVOKE EXECUTE ON FUNCTION gateway_token_pepper_versions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway_token_pepper_versions TO gatehouse_app;
ALTER FUNCTION gateway_token_pepper_versions OWNER TO gatehouse_definer;
