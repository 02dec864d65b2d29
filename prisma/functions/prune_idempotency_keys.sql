-- Deletes keys after a day.
CREATE OR REPLACE FUNCTION prune_idempotency_keys() RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ DELETE FROM idempotency_keys WHERE created_at < clock_timestamp() - interval '24 hours' $$;

REVOKE EXECUTE ON FUNCTION prune_idempotency_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_idempotency_keys TO gatehouse_app;
ALTER FUNCTION prune_idempotency_keys OWNER TO gatehouse_definer;
