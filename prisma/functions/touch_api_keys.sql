-- Records when keys were last used, many at once; never moves backwards. Rows are locked in the order
-- of their ids, so that no two batches end in a deadlock.
CREATE OR REPLACE FUNCTION touch_api_keys(p_ids text[], p_used_at timestamptz[]) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE api_keys k SET last_used_at = t.used_at
    FROM (
      SELECT l.id, u.used_at FROM unnest(p_ids, p_used_at) AS u (id, used_at) JOIN api_keys l ON l.id = u.id
      WHERE l.last_used_at IS NULL OR l.last_used_at < u.used_at
      ORDER BY l.id FOR NO KEY UPDATE OF l) AS t
    WHERE k.id = t.id AND (k.last_used_at IS NULL OR k.last_used_at < t.used_at)
  $$;

REVOKE EXECUTE ON FUNCTION touch_api_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touch_api_keys TO gatehouse_app;
ALTER FUNCTION touch_api_keys OWNER TO gatehouse_definer;
