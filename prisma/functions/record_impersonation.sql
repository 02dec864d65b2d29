-- For an impersonated call that reserves nothing: creates the human, and writes the row of the audit log before the answer is
-- sent. False, and nothing written: the tenant is gone, or is being deleted.
CREATE OR REPLACE FUNCTION record_impersonation(p_audit_id uuid, p_tenant_id text, p_key_id text, p_human text, p_route text,
                                     p_request_id text, p_address text) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_org_id text;
  v_human_id text;
BEGIN
  SELECT t.org_id INTO v_org_id FROM tenants t WHERE t.id = p_tenant_id FOR KEY SHARE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  -- Repeats if the human was erased between the two statements.
  LOOP
    SELECT h.id INTO v_human_id FROM humans h WHERE h.tenant_id = p_tenant_id AND h.human = p_human;
    EXIT WHEN FOUND;
    PERFORM add_humans(ARRAY[p_tenant_id], ARRAY[p_human], ARRAY[p_key_id]);
  END LOOP;
  INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, human_id, resource_type, resource_id,
                            request_id, address)
    VALUES (p_audit_id, v_org_id, p_tenant_id, 'request.impersonated', 'key', p_key_id, v_human_id, 'route', p_route,
            p_request_id, p_address);
  RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION record_impersonation FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_impersonation TO gatehouse_app;
ALTER FUNCTION record_impersonation OWNER TO gatehouse_definer;
