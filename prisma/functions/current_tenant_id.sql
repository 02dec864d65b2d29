-- The tenant of this transaction; null: no tenant, and the policies show no row.
CREATE OR REPLACE FUNCTION current_tenant_id() RETURNS text
  LANGUAGE sql STABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT nullif(current_setting('app.tenant_id', true), '') $$;

REVOKE EXECUTE ON FUNCTION current_tenant_id FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_tenant_id TO gatehouse_app, gatehouse_definer;
