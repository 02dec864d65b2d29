-- The state of request windows; takes no place and opens none. For a key without an open window, it is the
-- window that would open now.
CREATE OR REPLACE FUNCTION peek_rate_windows(p_keys text[], p_window interval)
  RETURNS TABLE (key text, used integer, resets_at timestamptz)
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT k.key, coalesce(w.used, 0), coalesce(w.opened_at, clock_timestamp()) + p_window
    FROM unnest(p_keys) AS k (key)
    LEFT JOIN rate_windows w ON w.key = k.key AND w.opened_at + p_window > clock_timestamp()
  $$;

REVOKE EXECUTE ON FUNCTION peek_rate_windows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION peek_rate_windows TO gatehouse_app;
ALTER FUNCTION peek_rate_windows OWNER TO gatehouse_definer;
