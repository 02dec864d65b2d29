-- Does the next piece of the ledger's retention, for `p_keep` of at least 35 days, and says what it did:
--   retired    calls no longer read a month that is wholly older; queries still read its rows
--   rolled     sums of at most `p_most` rows of it are kept
--   dropped    its rows are gone, and from this transaction on its sums count
--   reported   at most `p_most` older reports of usage were added up and deleted
--   open       waits, since a process has, or may have, an open call of that month
--   busy       another replica is at it
--   nothing    all is done
-- Each piece is a transaction, done wholly or not at all: another replica, or the next start, continues from there.
CREATE OR REPLACE FUNCTION keep_usage_ledger(p_keep interval, p_most integer, OUT did text, OUT month date, OUT rows bigint)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_before timestamptz := clock_timestamp() - greatest(p_keep, interval '35 days');
  v_retired boolean;
BEGIN
  -- purge_tenant takes this lock as well, so that rows that it deletes are in no sum.
  IF NOT pg_try_advisory_xact_lock(hashtextextended('usage-retention', 0)) THEN
    did := 'busy';
    RETURN;
  END IF;
  SELECT d.month, d.retired INTO month, v_retired FROM usage_months_due(v_before) AS d ORDER BY NOT d.retired, d.month LIMIT 1;
  IF v_retired AND (SELECT m.rolled_at IS NULL FROM usage_months m WHERE m.month = keep_usage_ledger.month) THEN
    did := 'rolled';
    rows := roll_up_usage(month, p_most);
  ELSIF v_retired THEN
    did := 'dropped';
    PERFORM drop_retired_usage(month);
    UPDATE usage_months m SET dropped_at = clock_timestamp() WHERE m.month = keep_usage_ledger.month
      RETURNING m.rolled_rows INTO rows;
  ELSIF month IS NULL THEN
    rows := roll_up_reports(date_trunc('month', v_before, 'UTC'), p_most);
    did := CASE WHEN rows > 0 THEN 'reported' ELSE 'nothing' END;
  -- Searches as sweep_usage does: a day is more than a process's clock may differ from this database's.
  ELSIF EXISTS (SELECT FROM process_leases l WHERE l.swept_at IS NULL
      AND coalesce(l.oldest_open_at, l.renewed_at) - interval '1 day' < (month + interval '1 month') AT TIME ZONE 'UTC') THEN
    did := 'open';
  ELSE
    did := 'retired';
    PERFORM retire_usage_partition(month);
    INSERT INTO usage_months (month) VALUES (keep_usage_ledger.month);
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION keep_usage_ledger FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_usage_ledger TO gatehouse_app;
ALTER FUNCTION keep_usage_ledger OWNER TO gatehouse_definer;
