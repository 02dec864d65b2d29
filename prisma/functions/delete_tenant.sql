-- Deletes a tenant of the current tenant's org: `deleted`, `not_found`, `wrong_name` or `last_tenant`.
CREATE OR REPLACE FUNCTION delete_tenant(p_tenant_id text, p_name text, p_audit_id uuid) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_org_id text := current_org_id();
  v_name text;
BEGIN
  PERFORM 1 FROM orgs o WHERE o.id = v_org_id FOR UPDATE;
  SELECT t.name INTO v_name FROM tenants t WHERE t.id = p_tenant_id AND t.org_id = v_org_id;
  IF NOT FOUND THEN
    RETURN 'not_found';
  ELSIF v_name <> p_name THEN
    RETURN 'wrong_name';
  ELSIF (SELECT count(*) FROM tenants t WHERE t.org_id = v_org_id) = 1 THEN
    RETURN 'last_tenant';
  END IF;
  PERFORM purge_tenant(p_tenant_id, p_audit_id);
  RETURN 'deleted';
END
$$;

REVOKE EXECUTE ON FUNCTION delete_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delete_tenant TO gatehouse_app;
ALTER FUNCTION delete_tenant OWNER TO gatehouse_definer;
