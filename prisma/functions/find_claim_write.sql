-- The claims that a queued write still has to write; no row: a later write replaced it, or it is done.
CREATE OR REPLACE FUNCTION find_claim_write(p_id uuid) RETURNS TABLE (claims jsonb)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ SELECT w.claims FROM claim_writes w WHERE w.id = p_id $$;

REVOKE EXECUTE ON FUNCTION find_claim_write FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_claim_write TO gatehouse_app;
ALTER FUNCTION find_claim_write OWNER TO gatehouse_definer;
