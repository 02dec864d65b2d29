-- Drops a retired month of the ledger. Waits at most 100 ms for queries that read it (lock_not_available). A missing month
-- was dropped by the operator.
--
-- Runs as the owner of usage_records, who alone can do it; only keep_usage_ledger calls it, once the month's sums are kept.
CREATE OR REPLACE FUNCTION drop_retired_usage(p_month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET lock_timeout = '100ms'
  AS $$
DECLARE
  v_name text := 'usage_records_' || to_char(p_month, 'YYYYMM');
BEGIN
  -- Queries that lock this table see the month's rows or its sums, never both or neither.
  LOCK TABLE public.usage_records_retired IN ACCESS EXCLUSIVE MODE;
  IF EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = 'public.usage_records_retired'::regclass
               AND i.inhrelid = to_regclass('public.' || v_name)) THEN
    EXECUTE format('DROP TABLE public.%I', v_name);
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION drop_retired_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_retired_usage TO gatehouse_definer;
