-- The org that a tenant belongs to; null: there is no such tenant. The service asks before it enters the tenant, to know
-- whose share of what all share the tenant's work comes out of.
CREATE OR REPLACE FUNCTION find_org_of_tenant(p_tenant_id text) RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ SELECT org_id FROM tenants WHERE id = p_tenant_id $$;

REVOKE EXECUTE ON FUNCTION find_org_of_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_org_of_tenant TO gatehouse_app;
ALTER FUNCTION find_org_of_tenant OWNER TO gatehouse_definer;
