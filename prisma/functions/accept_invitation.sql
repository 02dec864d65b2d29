-- Accepts an invitation. `result` is one of
--   accepted        the user is now a member; the claims are queued
--   not_found       unknown, revoked, expired, or used by another user
--   wrong_email     the invitation was sent to another address
--   inviter_lacks   the inviter, unless it is the operator (''), no longer holds such a role
--   member_already
-- Only the first writes anything. The org is locked first, as in every change of its members, so that a demotion of the
-- inviter comes either before, and counts, or after. Addresses are compared without case in ASCII only: beyond it, letters of
-- different addresses fold into one.
CREATE OR REPLACE FUNCTION accept_invitation(p_token_hashes bytea[], p_user_id text, p_email text, p_set_claims boolean,
                                  p_claim_write_id uuid)
  RETURNS TABLE (result text, invitation_id text, org_id text, tenant_id text, name text, slug text, created_at timestamptz,
                 role text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_invitation invitations%ROWTYPE;
  v_is_member boolean;
  v_result text := 'accepted';
  v_tenant_id text;
BEGIN
  PERFORM 1 FROM orgs o
    WHERE o.id = (SELECT i.org_id FROM invitations i WHERE i.token_hash = ANY (p_token_hashes)) FOR UPDATE;
  SELECT i.* INTO v_invitation FROM invitations i WHERE i.token_hash = ANY (p_token_hashes) FOR UPDATE;
  v_is_member := EXISTS (SELECT 1 FROM memberships m WHERE m.org_id = v_invitation.org_id AND m.user_id = p_user_id);
  IF v_invitation.id IS NULL OR v_invitation.revoked_at IS NOT NULL OR v_invitation.expires_at <= clock_timestamp()
     OR v_invitation.accepted_at IS NOT NULL AND NOT (v_is_member AND v_invitation.accepted_by = p_user_id) THEN
    v_result := 'not_found';
  ELSIF v_invitation.email <> lower(p_email COLLATE "C") THEN
    v_result := 'wrong_email';
  ELSIF v_is_member THEN
    v_result := 'member_already';
  ELSIF v_invitation.invited_by <> ''
    AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.org_id = v_invitation.org_id AND m.user_id = v_invitation.invited_by
                    AND array_position(ARRAY['viewer', 'developer', 'admin', 'owner'], m.role)
                      >= array_position(ARRAY['viewer', 'developer', 'admin', 'owner'], v_invitation.role)) THEN
    v_result := 'inviter_lacks';
  END IF;
  IF v_result <> 'accepted' THEN
    RETURN QUERY SELECT v_result, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::timestamptz, NULL::text;
    RETURN;
  END IF;

  SELECT t.id INTO v_tenant_id FROM tenants t WHERE t.org_id = v_invitation.org_id ORDER BY t.created_at, t.id LIMIT 1;
  INSERT INTO users (id, email) VALUES (p_user_id, p_email) ON CONFLICT (id) DO UPDATE SET email = excluded.email;
  INSERT INTO memberships (org_id, user_id, role) VALUES (v_invitation.org_id, p_user_id, v_invitation.role);
  UPDATE invitations SET accepted_at = clock_timestamp(), accepted_by = p_user_id WHERE id = v_invitation.id;
  IF p_set_claims THEN
    UPDATE users SET claimed_tenant_id = v_tenant_id WHERE id = p_user_id;
    PERFORM queue_claims(p_user_id, p_claim_write_id);
  END IF;
  RETURN QUERY SELECT v_result, v_invitation.id, o.id, v_tenant_id, o.name, o.slug, o.created_at::timestamptz, v_invitation.role
    FROM orgs o WHERE o.id = v_invitation.org_id;
END
$$;

REVOKE EXECUTE ON FUNCTION accept_invitation FROM PUBLIC;
GRANT EXECUTE ON FUNCTION accept_invitation TO gatehouse_app;
ALTER FUNCTION accept_invitation OWNER TO gatehouse_definer;
