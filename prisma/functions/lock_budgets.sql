-- Locks those of the given budgets that no other transaction has locked, in the order of their ids.
-- Returns the others; null: none.
CREATE OR REPLACE FUNCTION lock_budgets(p_ids uuid[]) RETURNS uuid[]
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  SET enable_material = off
  AS $$
    WITH locked AS MATERIALIZED (
      SELECT b.id FROM unnest(p_ids) AS d (id) JOIN budgets b ON b.id = ANY (ARRAY[d.id])
      ORDER BY b.id FOR NO KEY UPDATE OF b SKIP LOCKED)
    SELECT CASE WHEN (SELECT count(*) FROM locked) < cardinality(p_ids) THEN (
      SELECT array_agg(b.id) FROM unnest(p_ids) AS d (id) JOIN budgets b ON b.id = ANY (ARRAY[d.id])
      WHERE b.id NOT IN (SELECT l.id FROM locked l)) END
  $$;

REVOKE EXECUTE ON FUNCTION lock_budgets FROM PUBLIC;
ALTER FUNCTION lock_budgets OWNER TO gatehouse_definer;
