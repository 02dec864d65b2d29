-- The beginning of the budget period that contains a moment: minutes and hours by the clock, days and longer periods by the
-- time zone's calendar. NONE has no period: it begins at the moment itself.
CREATE OR REPLACE FUNCTION period_start(p_period text, p_zone text, p_at timestamptz) RETURNS timestamptz
  LANGUAGE sql STABLE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT CASE WHEN p_period = 'NONE' THEN p_at ELSE date_trunc(lower(p_period), p_at, p_zone) END $$;

REVOKE EXECUTE ON FUNCTION period_start FROM PUBLIC;
GRANT EXECUTE ON FUNCTION period_start TO gatehouse_app, gatehouse_definer;
