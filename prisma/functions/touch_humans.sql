-- Records when humans last made a call, many at once, each named `tenant:human`; never moves backwards. Skips a human whose row
-- is locked: the next call records it again.
CREATE OR REPLACE FUNCTION touch_humans(p_humans text[], p_seen_at timestamptz[]) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    WITH seen AS (
      SELECT h.id, h.tenant_id, t.seen_at
      FROM unnest(p_humans, p_seen_at) AS t (name, seen_at)
      JOIN humans h ON h.tenant_id = split_part(t.name, ':', 1) AND h.human = substr(t.name, strpos(t.name, ':') + 1)
      WHERE h.last_seen_at IS NULL OR h.last_seen_at < t.seen_at
      FOR NO KEY UPDATE OF h SKIP LOCKED)
    UPDATE humans h SET last_seen_at = s.seen_at FROM seen s WHERE h.id = s.id AND h.tenant_id = s.tenant_id
  $$;

REVOKE EXECUTE ON FUNCTION touch_humans FROM PUBLIC;
GRANT EXECUTE ON FUNCTION touch_humans TO gatehouse_app;
ALTER FUNCTION touch_humans OWNER TO gatehouse_definer;
