-- Ends the epoch of budgets that the caller has locked: those whose period is over, or all (`p_reset`). The ended epoch is
-- kept, so that calls that it admitted settle into it. The new one ends in the future even if the clock went back; otherwise
-- admission would renew the same budget again and again. Runs with its caller's rights.
CREATE OR REPLACE FUNCTION end_epochs(p_ids uuid[], p_now timestamptz, p_reset boolean) RETURNS void
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  SET enable_material = off
  AS $$
BEGIN
  INSERT INTO budget_epochs (budget_id, epoch, tenant_id, starts_at, ended_at, amount, used, held)
    SELECT b.id, b.epoch, b.tenant_id, b.starts_at, least(b.ends_at, p_now), b.amount, b.used, b.held
    FROM budgets b WHERE b.id = ANY (p_ids) AND (p_reset OR b.ends_at <= p_now) ORDER BY b.id;
  UPDATE budgets b
  SET epoch = b.epoch + 1, used = 0, held = 0, told = 0, exceeded_told = false,
      starts_at = period_start(b.period, b.time_zone, p_now),
      ends_at = greatest(period_end(b.period, b.time_zone, period_start(b.period, b.time_zone, p_now)), p_now + interval '1 second')
  WHERE b.id = ANY (p_ids) AND (p_reset OR b.ends_at <= p_now);
END
$$;

REVOKE EXECUTE ON FUNCTION end_epochs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION end_epochs TO gatehouse_app, gatehouse_definer;
