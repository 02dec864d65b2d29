-- A user's role in the org of a tenant; no row: the user is not a member.
CREATE OR REPLACE FUNCTION find_membership(p_tenant_id text, p_user_id text) RETURNS TABLE (org_id text, role text)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT m.org_id, m.role FROM tenants t JOIN memberships m ON m.org_id = t.org_id
    WHERE t.id = p_tenant_id AND m.user_id = p_user_id
  $$;

REVOKE EXECUTE ON FUNCTION find_membership FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_membership TO gatehouse_app;
ALTER FUNCTION find_membership OWNER TO gatehouse_definer;
