-- Moves at most `p_most` reports of usage from before `p_before` into usage_rollups: deletes and adds them up in one
-- statement. Returns how many.
CREATE OR REPLACE FUNCTION roll_up_reports(p_before timestamptz, p_most integer) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    WITH old AS (
      DELETE FROM usage_reports u USING (
        SELECT r.id FROM usage_reports r WHERE r.id < usage_id_floor(p_before) AND r.created_at < p_before
        ORDER BY r.id LIMIT p_most) AS piece
      WHERE u.id = piece.id RETURNING u.*),
    added AS (
      INSERT INTO usage_rollups (tenant_id, bucket, key_id, user_id, human_id, conversational, voice, memory)
      SELECT o.tenant_id, date_bin('15 minutes', o.created_at, 'epoch'), o.key_id, o.user_id, o.human_id,
             sum(o.micro_units) FILTER (WHERE o.type = 'conversational_seconds'),
             sum(o.micro_units) FILTER (WHERE o.type = 'voice_synthesis_seconds'),
             sum(o.micro_units) FILTER (WHERE o.type = 'memory_message_cnt')
      FROM old o GROUP BY o.tenant_id, date_bin('15 minutes', o.created_at, 'epoch'), o.key_id, o.user_id, o.human_id)
    SELECT count(*) FROM old
  $$;

REVOKE EXECUTE ON FUNCTION roll_up_reports FROM PUBLIC;
ALTER FUNCTION roll_up_reports OWNER TO gatehouse_definer;
