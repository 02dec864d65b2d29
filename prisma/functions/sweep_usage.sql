-- Charges the calls that dead processes left open their whole reservation, marked SWEPT and ORPHANED, to the ledger and to
-- the humans' limits. Only a lease that was not renewed for p_term is declared dead, and a dead lease never lives again
-- (renew_lease), so that a live process's calls, however long, are never touched. Rows are looked for from a little before
-- the oldest call that the lease had open at its last renewal. A lease is swept again for two minutes after its end, for the
-- reservation that was being written while the lease ended; reserve_usage refuses later ones.
CREATE OR REPLACE FUNCTION sweep_usage(p_term interval) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_lease record;
  v_count integer := 0;
  v_swept_ids uuid[];
  v_charges human_charge[];
  v_all_charges human_charge[];
BEGIN
  UPDATE process_leases SET ended_at = clock_timestamp()
  WHERE ended_at IS NULL AND renewed_at < clock_timestamp() - p_term;

  FOR v_lease IN
    SELECT l.id, l.renewed_at, l.oldest_open_at FROM process_leases l
    WHERE l.ended_at > clock_timestamp() - interval '2 minutes' OR l.ended_at IS NOT NULL AND l.swept_at IS NULL
    ORDER BY l.id FOR UPDATE SKIP LOCKED
  LOOP
    WITH swept AS (
      UPDATE usage_records r
      SET state = 'SWEPT', outcome = 'ORPHANED', input_tokens = r.reserved_input_tokens,
          output_tokens = r.reserved_output_tokens, cost_pico_usd = r.reserved_cost_pico_usd, requests = 1,
          estimated = true, settled_at = clock_timestamp()
      WHERE r.lease_id = v_lease.id AND r.state = 'RESERVED'
        AND r.created_at >= coalesce(v_lease.oldest_open_at, v_lease.renewed_at) - interval '1 minute'
      RETURNING r.*)
    SELECT array_agg(s.id),
           array_agg(ROW(s.tenant_id, s.human_id,
                         s.token_cnt_epoch, (s.input_tokens + s.output_tokens) * 1000000,
                         (s.input_tokens + s.output_tokens) * 1000000,
                         s.request_cnt_epoch, 1000000, 1000000,
                         s.cost_micros_epoch, s.cost_pico_usd, s.cost_pico_usd)::human_charge)
             FILTER (WHERE num_nonnulls(s.token_cnt_epoch, s.request_cnt_epoch, s.cost_micros_epoch) > 0)
      INTO v_swept_ids, v_charges
      FROM swept s;
    v_all_charges := v_all_charges || v_charges;
    IF v_swept_ids IS NOT NULL THEN
      PERFORM tell_usage(v_swept_ids);
      v_count := v_count + cardinality(v_swept_ids);
    END IF;
    UPDATE process_leases l SET swept_at = clock_timestamp() WHERE l.id = v_lease.id;
  END LOOP;
  -- Of all leases at once, so that humans are locked in one order.
  PERFORM charge_humans(v_all_charges);

  DELETE FROM process_leases l WHERE l.ended_at < clock_timestamp() - interval '1 hour';
  RETURN v_count;
END
$$;

REVOKE EXECUTE ON FUNCTION sweep_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sweep_usage TO gatehouse_app;
ALTER FUNCTION sweep_usage OWNER TO gatehouse_definer;
