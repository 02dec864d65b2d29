-- Deletes old epochs: after two days those of which open calls hold nothing, since until then a swept call may still be
-- corrected, and after thirty days all. Returns how many; `p_limit`: there may be more.
CREATE OR REPLACE FUNCTION prune_budget_epochs(p_limit integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_now timestamptz := ledger_now();
  v_pruned integer;
BEGIN
  DELETE FROM budget_epochs e USING (
    SELECT o.budget_id, o.epoch FROM budget_epochs o
    WHERE o.ended_at < v_now - interval '2 days' AND (o.held = 0 OR o.ended_at < v_now - interval '30 days')
    ORDER BY o.ended_at LIMIT p_limit FOR UPDATE SKIP LOCKED) AS old
  WHERE e.budget_id = old.budget_id AND e.epoch = old.epoch;
  GET DIAGNOSTICS v_pruned = ROW_COUNT;
  RETURN v_pruned;
END
$$;

REVOKE EXECUTE ON FUNCTION prune_budget_epochs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_budget_epochs TO gatehouse_app;
ALTER FUNCTION prune_budget_epochs OWNER TO gatehouse_definer;
