-- Makes a tenant the one that a member's claims name. No row: the user is not a member of its org.
CREATE OR REPLACE FUNCTION switch_tenant(p_user_id text, p_tenant_id text, p_claim_write_id uuid)
  RETURNS TABLE (org_id text, tenant_id text, name text, created_at timestamptz, role text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
BEGIN
  -- A deletion of the tenant that is under way comes first: then no tenant is found.
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('tenant:' || p_tenant_id, 0));
  UPDATE users u SET claimed_tenant_id = t.id
  FROM tenants t JOIN memberships m ON m.org_id = t.org_id
  WHERE u.id = p_user_id AND t.id = p_tenant_id AND m.user_id = p_user_id;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM queue_claims(p_user_id, p_claim_write_id);
  RETURN QUERY SELECT t.org_id, t.id, t.name, t.created_at::timestamptz, m.role
    FROM tenants t JOIN memberships m ON m.org_id = t.org_id WHERE t.id = p_tenant_id AND m.user_id = p_user_id;
END
$$;

REVOKE EXECUTE ON FUNCTION switch_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION switch_tenant TO gatehouse_app;
ALTER FUNCTION switch_tenant OWNER TO gatehouse_definer;
