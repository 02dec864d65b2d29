-- Makes the ledger's partition of the month, in UTC, that `p_at` is in. False: it exists.
--
-- A partition has forced row-level security and neither policy nor grant, so that its rows are reached only through
-- usage_records, with its policies and rights. The table is made first and then attached, which stops no call; making it as a
-- partition at once would wait for all of them. Runs with its caller's rights: only the owner of usage_records can do it.
CREATE OR REPLACE FUNCTION add_usage_partition(p_at timestamptz) RETURNS boolean
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_from timestamptz := date_trunc('month', p_at, 'UTC');
  v_until timestamptz := date_trunc('month', v_from + interval '40 days', 'UTC');
  v_name text := 'usage_records_' || to_char(v_from AT TIME ZONE 'UTC', 'YYYYMM');
BEGIN
  IF to_regclass('public.' || v_name) IS NOT NULL THEN
    RETURN false;
  END IF;
  -- One process at a time; then look again in the table itself, since to_regclass may remember the first answer.
  PERFORM pg_advisory_xact_lock(hashtextextended('add_usage_partition', 0));
  IF EXISTS (SELECT FROM pg_class c WHERE c.relname = v_name AND c.relnamespace = 'public'::regnamespace) THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE public.%I (LIKE public.usage_records INCLUDING ALL) WITH (fillfactor = 45)', v_name);
  EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', v_name);
  EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', v_name);
  EXECUTE format('ALTER TABLE public.usage_records ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', v_name,
                 usage_id_floor(v_from), usage_id_floor(v_until));
  RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION add_usage_partition FROM PUBLIC;
