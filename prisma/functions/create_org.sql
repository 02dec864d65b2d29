-- Creates an org, its first tenant, its owner and the outbox row of the claims: all or nothing. `result` is one of
--   created        just created
--   repeated       the same user has created the same-named org before: returns it, and queues its claims again
--   has_org        the user already belongs to an org
--   slug_taken
-- Two calls of one user wait for each other. Without an org to return, nothing is written.
CREATE OR REPLACE FUNCTION create_org(p_user_id text, p_email text, p_has_claim boolean, p_org_id text, p_tenant_id text,
                                      p_name text, p_slug text, p_claim_write_id uuid)
  RETURNS TABLE (result text, org_id text, tenant_id text, name text, slug text, created_at timestamptz, role text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_org orgs%ROWTYPE;
  v_role text;
  v_tenant_id text;
  v_result text := 'created';
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('create_org:' || p_user_id, 0));

  SELECT m.role INTO v_role FROM memberships m WHERE m.user_id = p_user_id ORDER BY m.created_at LIMIT 1;
  IF FOUND THEN
    SELECT o.* INTO v_org FROM orgs o JOIN memberships m ON m.org_id = o.id
      WHERE m.user_id = p_user_id AND o.created_by = p_user_id AND o.name = p_name AND NOT p_has_claim
      ORDER BY o.created_at LIMIT 1;
    IF NOT FOUND THEN
      RETURN QUERY SELECT 'has_org'::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::timestamptz, NULL::text;
      RETURN;
    END IF;
    v_result := 'repeated';
    SELECT m.role INTO v_role FROM memberships m WHERE m.user_id = p_user_id AND m.org_id = v_org.id;
    SELECT t.id INTO v_tenant_id FROM tenants t WHERE t.org_id = v_org.id ORDER BY t.created_at, t.id LIMIT 1;
  ELSE
    INSERT INTO orgs (id, name, slug, created_by) VALUES (p_org_id, p_name, p_slug, p_user_id)
      ON CONFLICT (slug) DO NOTHING RETURNING * INTO v_org;
    IF NOT FOUND THEN
      RETURN QUERY SELECT 'slug_taken'::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::timestamptz, NULL::text;
      RETURN;
    END IF;
    v_tenant_id := p_tenant_id;
    v_role := 'owner';
    INSERT INTO users (id, email) VALUES (p_user_id, p_email)
      ON CONFLICT (id) DO UPDATE SET email = coalesce(excluded.email, users.email);
    INSERT INTO tenants (id, org_id, name) VALUES (p_tenant_id, p_org_id, p_name);
    INSERT INTO memberships (org_id, user_id, role) VALUES (p_org_id, p_user_id, 'owner');
  END IF;

  UPDATE users SET claimed_tenant_id = v_tenant_id WHERE id = p_user_id;
  PERFORM queue_claims(p_user_id, p_claim_write_id);
  RETURN QUERY SELECT v_result, v_org.id, v_tenant_id, v_org.name, v_org.slug, v_org.created_at::timestamptz, v_role;
END
$$;

REVOKE EXECUTE ON FUNCTION create_org FROM PUBLIC;
GRANT EXECUTE ON FUNCTION create_org TO gatehouse_app;
ALTER FUNCTION create_org OWNER TO gatehouse_definer;
