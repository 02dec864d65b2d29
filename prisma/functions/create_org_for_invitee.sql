-- Creates an org and its first tenant without a member: the operator's invitation holds the owner's place. `created_by` is then
-- empty, which is the id of no user. `result` is one of
--   created      just created
--   repeated     the operator created the same-named org for this address before, and the invitation is not accepted yet
--   accepted     the same, and the invitation was accepted
--   slug_taken
-- Two calls for one address wait for each other. Without an org to return, nothing is written.
CREATE OR REPLACE FUNCTION create_org_for_invitee(p_email text, p_org_id text, p_tenant_id text, p_name text, p_slug text)
  RETURNS TABLE (result text, org_id text, tenant_id text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_org_id text;
  v_result text := 'created';
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('create_org_for_invitee:' || p_email, 0));
  SELECT o.id, CASE WHEN bool_or(i.accepted_at IS NOT NULL) THEN 'accepted' ELSE 'repeated' END INTO v_org_id, v_result
    FROM orgs o JOIN invitations i ON i.org_id = o.id
    WHERE o.created_by = '' AND o.name = p_name AND i.invited_by = '' AND i.email = p_email
    GROUP BY o.id ORDER BY o.created_at LIMIT 1;
  IF NOT FOUND THEN
    INSERT INTO orgs (id, name, slug, created_by) VALUES (p_org_id, p_name, p_slug, '')
      ON CONFLICT (slug) DO NOTHING RETURNING id INTO v_org_id;
    IF NOT FOUND THEN
      RETURN QUERY SELECT 'slug_taken'::text, NULL::text, NULL::text;
      RETURN;
    END IF;
    v_result := 'created';
    INSERT INTO tenants (id, org_id, name) VALUES (p_tenant_id, p_org_id, p_name);
  END IF;
  RETURN QUERY SELECT v_result, v_org_id, t.id FROM tenants t WHERE t.org_id = v_org_id ORDER BY t.created_at, t.id LIMIT 1;
END
$$;

REVOKE EXECUTE ON FUNCTION create_org_for_invitee FROM PUBLIC;
GRANT EXECUTE ON FUNCTION create_org_for_invitee TO gatehouse_app;
ALTER FUNCTION create_org_for_invitee OWNER TO gatehouse_definer;
