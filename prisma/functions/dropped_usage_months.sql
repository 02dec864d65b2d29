-- The months of the ledger whose rows are dropped, so that their sums count. Stable: it sees what its calling query sees.
CREATE OR REPLACE FUNCTION dropped_usage_months() RETURNS date[]
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ SELECT array_agg(m.month) FROM usage_months m WHERE m.dropped_at IS NOT NULL $$;

REVOKE EXECUTE ON FUNCTION dropped_usage_months FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dropped_usage_months TO gatehouse_app;
ALTER FUNCTION dropped_usage_months OWNER TO gatehouse_definer;
