-- Makes the ledger's partitions ahead: of this month and the next two, by this database's clock, and of yesterday, for ids of a
-- process whose clock is a little behind at the beginning of a month. Returns how many partitions are attached.
--
-- Runs as the owner of usage_records, who alone can add a partition. It takes no argument, so that its caller decides nothing.
CREATE OR REPLACE FUNCTION prepare_usage_partitions() RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_month timestamptz := date_trunc('month', clock_timestamp(), 'UTC');
BEGIN
  PERFORM add_usage_partition(clock_timestamp() - interval '1 day');
  PERFORM add_usage_partition(v_month);
  PERFORM add_usage_partition(v_month + interval '40 days');
  PERFORM add_usage_partition(v_month + interval '70 days');
  RETURN (SELECT count(*)::integer FROM pg_inherits i WHERE i.inhparent = 'public.usage_records'::regclass);
END
$$;

REVOKE EXECUTE ON FUNCTION prepare_usage_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prepare_usage_partitions TO gatehouse_app;
