-- The org of a tenant; null: no such tenant. Asked before the service enters the tenant, to know whose
-- shares the tenant's work uses.
CREATE OR REPLACE FUNCTION find_org_of_tenant(p_tenant_id text) RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ SELECT org_id FROM tenants WHERE id = p_tenant_id $$;

REVOKE EXECUTE ON FUNCTION find_org_of_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_org_of_tenant TO gatehouse_app;
ALTER FUNCTION find_org_of_tenant OWNER TO gatehouse_definer;
