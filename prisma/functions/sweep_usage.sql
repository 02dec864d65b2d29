-- Charges the calls that dead processes left open their whole reservation, marked SWEPT and ORPHANED, to the ledger and
-- to the budgets that admitted them. A dead lease stays dead (renew_lease), so that a live process's calls are never
-- touched, however long they last.
--
-- A lease without a renewal for its own term is dead, unless the database was away, which makes every lease look dead. So the
-- sweeper judges only leases with a term of at most `p_in_touch`, the time for which it has been in touch itself, and only
-- after its own term, `p_own_term`, since it does not notice a shorter outage.
--
-- The search begins a little before the oldest call that the lease had open at its last renewal. The bound on the ids leaves
-- out older partitions; its day is more than a process's clock may differ. A lease is swept again for two minutes after its
-- end, for a reservation that was being written at its end; admit_usage refuses later ones.
--
-- Records are locked before budgets, each in the order of their ids, as in settle_usage. The sweep waits for no lock and
-- charges at most `p_most` calls; the next sweep finds the skipped ones. Returns how many it charged.
CREATE OR REPLACE FUNCTION sweep_usage(p_own_term interval, p_in_touch interval, p_most integer DEFAULT 500) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_now timestamptz := ledger_now();
  v_lease_ids uuid[];
  v_ids uuid[];
  v_budget_ids uuid[];
  v_missed uuid[];
  v_swept_ids uuid[];
  v_charges budget_charge[];
BEGIN
  UPDATE process_leases SET ended_at = clock_timestamp()
  WHERE ended_at IS NULL AND term <= p_in_touch AND renewed_at < clock_timestamp() - greatest(term, p_own_term);

  v_lease_ids := ARRAY(
    SELECT l.id FROM process_leases l
    WHERE l.ended_at > clock_timestamp() - interval '2 minutes' OR l.ended_at IS NOT NULL AND l.swept_at IS NULL
    ORDER BY l.id FOR UPDATE SKIP LOCKED);
  v_ids := ARRAY(
    SELECT r.id FROM process_leases l JOIN usage_records r ON r.lease_id = l.id AND r.state = 'RESERVED'
      AND r.created_at >= coalesce(l.oldest_open_at, l.renewed_at) - interval '1 minute'
      AND r.id >= usage_id_floor(coalesce(l.oldest_open_at, l.renewed_at) - interval '1 day')
    WHERE l.id = ANY (v_lease_ids)
    ORDER BY r.id LIMIT p_most FOR NO KEY UPDATE OF r SKIP LOCKED);
  v_budget_ids := ARRAY(
    SELECT DISTINCT u.id FROM usage_records r CROSS JOIN unnest(r.budget_ids) AS u (id) WHERE r.id = ANY (v_ids));
  v_missed := lock_budgets(v_budget_ids);
  WITH swept AS (
    UPDATE usage_records r
    SET state = 'SWEPT', outcome = 'ORPHANED', input_tokens = r.reserved_input_tokens,
        output_tokens = r.reserved_output_tokens, cost_pico_usd = r.reserved_cost_pico_usd, requests = 1,
        estimated = true, settled_at = v_now
    WHERE r.id = ANY (v_ids) AND r.state = 'RESERVED'
      AND (v_missed IS NULL OR r.budget_ids IS NULL OR NOT r.budget_ids && v_missed)
    RETURNING r.*)
  SELECT array_agg(s.id),
         array_agg(ROW(s.budget_ids, s.budget_epochs, 1000000, 1000000, (s.input_tokens + s.output_tokens) * 1000000,
                       (s.input_tokens + s.output_tokens) * 1000000, coalesce(s.cost_pico_usd, 0),
                       coalesce(s.cost_pico_usd, 0))::budget_charge) FILTER (WHERE s.budget_ids IS NOT NULL)
    INTO v_swept_ids, v_charges
    FROM swept s;
  IF v_swept_ids IS NOT NULL THEN
    PERFORM tell_usage(v_swept_ids);
    PERFORM charge_budgets(v_charges, v_now);
  END IF;
  -- A lease counts as swept once none of its calls is open.
  UPDATE process_leases l SET swept_at = clock_timestamp()
  WHERE l.id = ANY (v_lease_ids) AND NOT EXISTS (
    SELECT FROM usage_records r WHERE r.lease_id = l.id AND r.state = 'RESERVED'
      AND r.created_at >= coalesce(l.oldest_open_at, l.renewed_at) - interval '1 minute'
      AND r.id >= usage_id_floor(coalesce(l.oldest_open_at, l.renewed_at) - interval '1 day'));

  DELETE FROM process_leases l WHERE l.ended_at < clock_timestamp() - interval '1 hour' AND l.swept_at IS NOT NULL;
  RETURN coalesce(cardinality(v_swept_ids), 0);
END
$$;

REVOKE EXECUTE ON FUNCTION sweep_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sweep_usage TO gatehouse_app;
ALTER FUNCTION sweep_usage OWNER TO gatehouse_definer;
