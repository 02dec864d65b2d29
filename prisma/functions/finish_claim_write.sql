-- Removes a finished claim write from the outbox.
CREATE OR REPLACE FUNCTION finish_claim_write(p_id uuid) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ DELETE FROM claim_writes WHERE id = p_id $$;

REVOKE EXECUTE ON FUNCTION finish_claim_write FROM PUBLIC;
GRANT EXECUTE ON FUNCTION finish_claim_write TO gatehouse_app;
ALTER FUNCTION finish_claim_write OWNER TO gatehouse_definer;
