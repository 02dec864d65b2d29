-- Months of the ledger that end before `p_before` and still have rows: attached ones, and retired
-- ones that are not dropped yet.
CREATE OR REPLACE FUNCTION usage_months_due(p_before timestamptz) RETURNS TABLE (month date, retired boolean)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT m.month, true FROM usage_months m WHERE m.dropped_at IS NULL
    UNION ALL
    SELECT a.month, false
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 6), 'YYYYMM') AS month) AS a
    WHERE i.inhparent = 'public.usage_records'::regclass AND c.relname ~ '^usage_records_[0-9]{6}$'
      AND (a.month + interval '1 month') AT TIME ZONE 'UTC' <= p_before
    ORDER BY month
  $$;

REVOKE EXECUTE ON FUNCTION usage_months_due FROM PUBLIC;
ALTER FUNCTION usage_months_due OWNER TO gatehouse_definer;
