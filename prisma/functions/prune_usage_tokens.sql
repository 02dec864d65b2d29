-- Deletes tokens that ended an hour ago: until then an expired token can be told from an unknown one.
CREATE OR REPLACE FUNCTION prune_usage_tokens() RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    DELETE FROM usage_tokens WHERE id IN (
      SELECT u.id FROM usage_tokens u WHERE u.expires_at < clock_timestamp() - interval '1 hour'
      ORDER BY u.expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED)
  $$;

REVOKE EXECUTE ON FUNCTION prune_usage_tokens FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_usage_tokens TO gatehouse_app;
ALTER FUNCTION prune_usage_tokens OWNER TO gatehouse_definer;
