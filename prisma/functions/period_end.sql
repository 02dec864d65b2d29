-- The end of a period that begins at `p_start`, which is the beginning of the next one. One and a half periods after its
-- beginning is always in the next one, whatever summer time does to a day's length.
CREATE OR REPLACE FUNCTION period_end(p_period text, p_zone text, p_start timestamptz) RETURNS timestamptz
  LANGUAGE sql STABLE
  SET search_path = pg_catalog, pg_temp
  AS $$
    SELECT CASE p_period
      WHEN 'NONE' THEN 'infinity'
      WHEN 'MINUTE' THEN date_trunc('minute', p_start + interval '90 seconds', p_zone)
      WHEN 'HOUR' THEN date_trunc('hour', p_start + interval '90 minutes', p_zone)
      WHEN 'DAY' THEN date_trunc('day', p_start + interval '36 hours', p_zone)
      WHEN 'WEEK' THEN date_trunc('week', p_start + interval '252 hours', p_zone)
      ELSE date_trunc('month', p_start + interval '1080 hours', p_zone)
    END
  $$;

REVOKE EXECUTE ON FUNCTION period_end FROM PUBLIC;
GRANT EXECUTE ON FUNCTION period_end TO gatehouse_app, gatehouse_definer;
