-- The org of the current tenant. Runs as the definer, since the policies of tenants call it.
CREATE OR REPLACE FUNCTION current_org_id() RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ SELECT org_id FROM tenants WHERE id = current_tenant_id() $$;

REVOKE EXECUTE ON FUNCTION current_org_id FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_org_id TO gatehouse_app;
ALTER FUNCTION current_org_id OWNER TO gatehouse_definer;
