-- Stores what the caller's runs produced since its last tick. Returns the runs that are no longer the caller's: their threads
-- were deleted, or its lease had run out.
CREATE OR REPLACE FUNCTION write_run_deltas(p_lease_id uuid, p_deltas run_delta[]) RETURNS uuid[]
  LANGUAGE plpgsql STRICT SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
DECLARE
  v_own_ids uuid[];
BEGIN
  v_own_ids := ARRAY(
    SELECT r.id FROM runs r
    WHERE r.id = ANY (ARRAY(SELECT d.id FROM unnest(p_deltas) AS d)) AND r.lease_id IS NOT DISTINCT FROM p_lease_id
    ORDER BY r.id FOR NO KEY UPDATE);
  INSERT INTO run_deltas (run_id, step, start_at, tenant_id, body)
    SELECT d.id, d.step, d.start_at, r.tenant_id, d.body
    FROM unnest(p_deltas) AS d JOIN runs r ON r.id = ANY (ARRAY[d.id])
    WHERE d.id = ANY (v_own_ids)
    ON CONFLICT (run_id, step, start_at) DO NOTHING;
  UPDATE runs r SET begun = true WHERE r.id = ANY (v_own_ids) AND NOT r.begun;
  RETURN ARRAY(SELECT DISTINCT d.id FROM unnest(p_deltas) AS d WHERE d.id <> ALL (v_own_ids));
END
$$;

REVOKE EXECUTE ON FUNCTION write_run_deltas FROM PUBLIC;
GRANT EXECUTE ON FUNCTION write_run_deltas TO gatehouse_app;
ALTER FUNCTION write_run_deltas OWNER TO gatehouse_definer;
