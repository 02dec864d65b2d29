-- Deletes the current tenant's org with all its rows: `deleted` or `wrong_name`. Each tenant leaves its tombstone.
CREATE OR REPLACE FUNCTION delete_org(p_name text) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_org_id text := current_org_id();
  v_name text;
  v_id text;
BEGIN
  SELECT o.name INTO v_name FROM orgs o WHERE o.id = v_org_id FOR UPDATE;
  IF v_name IS DISTINCT FROM p_name THEN
    RETURN 'wrong_name';
  END IF;
  -- In one order, since another org's deletion may lock some of the same users.
  PERFORM 1 FROM users u JOIN tenants t ON t.id = u.claimed_tenant_id
    WHERE t.org_id = v_org_id ORDER BY u.id FOR NO KEY UPDATE OF u;
  DELETE FROM memberships WHERE org_id = v_org_id;
  DELETE FROM invitations WHERE org_id = v_org_id;
  DELETE FROM audit_events WHERE org_id = v_org_id AND tenant_id IS NULL AND action <> 'tenant.deleted';
  FOR v_id IN SELECT t.id FROM tenants t WHERE t.org_id = v_org_id
  LOOP
    PERFORM purge_tenant(v_id, gen_random_uuid());
  END LOOP;
  DELETE FROM orgs WHERE id = v_org_id;
  RETURN 'deleted';
END
$$;

REVOKE EXECUTE ON FUNCTION delete_org FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delete_org TO gatehouse_app;
ALTER FUNCTION delete_org OWNER TO gatehouse_definer;
