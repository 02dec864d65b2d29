-- Ends the lease of a process that stops in good order; the calls that it left unsettled are swept at once.
CREATE OR REPLACE FUNCTION end_lease(p_id uuid) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ UPDATE process_leases SET ended_at = clock_timestamp() WHERE id = p_id AND ended_at IS NULL $$;

REVOKE EXECUTE ON FUNCTION end_lease FROM PUBLIC;
GRANT EXECUTE ON FUNCTION end_lease TO gatehouse_app;
ALTER FUNCTION end_lease OWNER TO gatehouse_definer;
