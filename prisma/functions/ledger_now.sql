-- The clock by which budgets are admitted, renewed and charged. A function of its own, so that a test can set it.
CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz
  LANGUAGE sql VOLATILE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT clock_timestamp() $$;

REVOKE EXECUTE ON FUNCTION ledger_now FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_now TO gatehouse_app, gatehouse_definer;
