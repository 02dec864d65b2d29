-- Moves the ledger's partition of a month out of usage_records, whose partitions every call's statements open, to the retired
-- ones, which queries still read. Gives up after 100 ms of waiting for calls and queries (lock_not_available), since all
-- later calls wait behind it.
--
-- Runs as the owner of usage_records, who alone can do it; only keep_usage_ledger calls it.
CREATE OR REPLACE FUNCTION retire_usage_partition(p_month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET lock_timeout = '100ms'
  AS $$
DECLARE
  v_name text := 'usage_records_' || to_char(p_month, 'YYYYMM');
BEGIN
  LOCK TABLE public.usage_records_retired IN ACCESS EXCLUSIVE MODE;
  EXECUTE format('ALTER TABLE public.usage_records DETACH PARTITION public.%I', v_name);
  EXECUTE format('ALTER TABLE public.%I INHERIT public.usage_records_retired', v_name);
END
$$;

REVOKE EXECUTE ON FUNCTION retire_usage_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retire_usage_partition TO gatehouse_definer;
