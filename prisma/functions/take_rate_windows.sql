-- Takes places in request windows, many keys at once: `wanted` places of at most `limit_value` each. A window opens with the
-- first request after the last one closed, by this database's clock.
--
-- Returns the places taken before (`before`) and now (`used`): their difference was granted, and refused requests are not
-- counted. Keys come sorted, so that two batches lock rows in one order.
CREATE OR REPLACE FUNCTION take_rate_windows(p_keys text[], p_wanted integer[], p_limits integer[], p_window interval)
  RETURNS TABLE (key text, before integer, used integer, resets_at timestamptz)
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    INSERT INTO rate_windows AS w (key, opened_at, before, used)
    SELECT t.key, clock_timestamp(), 0, least(t.wanted, t.limit_value)
    FROM unnest(p_keys, p_wanted, p_limits) AS t (key, wanted, limit_value)
    ORDER BY t.key
    ON CONFLICT (key) DO UPDATE SET
      opened_at = CASE WHEN w.opened_at + p_window <= excluded.opened_at THEN excluded.opened_at ELSE w.opened_at END,
      before = CASE WHEN w.opened_at + p_window <= excluded.opened_at THEN 0 ELSE w.used END,
      used = CASE
        WHEN w.opened_at + p_window <= excluded.opened_at THEN excluded.used
        ELSE greatest(w.used, least(
          w.used + p_wanted[array_position(p_keys, w.key)], p_limits[array_position(p_keys, w.key)]))
      END
    RETURNING w.key, w.before, w.used, w.opened_at + p_window
  $$;

REVOKE EXECUTE ON FUNCTION take_rate_windows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_rate_windows TO gatehouse_app;
ALTER FUNCTION take_rate_windows OWNER TO gatehouse_definer;
