-- Records when keys were last used, many at once; never moves backwards.
CREATE OR REPLACE FUNCTION touch_api_keys(p_ids text[], p_used_at timestamptz[]) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE api_keys k SET last_used_at = t.used_at
    FROM unnest(p_ids, p_used_at) AS t (id, used_at)
    WHERE k.id = t.id AND (k.last_used_at IS NULL OR k.last_used_at < t.used_at)
  $$;

REVOKE EXECUTE ON FUNCTION touch_api_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touch_api_keys TO gatehouse_app;
ALTER FUNCTION touch_api_keys OWNER TO gatehouse_definer;
