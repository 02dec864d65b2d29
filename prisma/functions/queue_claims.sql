-- Queues a user's current claims: the tenant that they chose last, if they are still a member there, else the first one that
-- they belong to, else none. Replaces what was queued for them before.
CREATE OR REPLACE FUNCTION queue_claims(p_user_id text, p_claim_write_id uuid) RETURNS TABLE (tenant_id text, role text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_tenant_id text;
  v_role text;
BEGIN
  -- One transaction at a time for each user, so that the last one sees what the others changed.
  PERFORM 1 FROM users u WHERE u.id = p_user_id FOR NO KEY UPDATE;
  FOR v_tenant_id, v_role IN
    SELECT t.id, m.role FROM memberships m JOIN tenants t ON t.org_id = m.org_id
    WHERE m.user_id = p_user_id
    ORDER BY (t.id = (SELECT u.claimed_tenant_id FROM users u WHERE u.id = p_user_id)) DESC NULLS LAST,
             m.created_at, t.created_at, t.id
  LOOP
    -- Skips a tenant that is being deleted (purge_tenant): claims to it would lead nowhere.
    IF pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || v_tenant_id, 0)) THEN
      PERFORM 1 FROM tenants t WHERE t.id = v_tenant_id;
      EXIT WHEN FOUND;
    END IF;
    v_tenant_id := NULL;
    v_role := NULL;
  END LOOP;
  UPDATE users SET claimed_tenant_id = v_tenant_id WHERE id = p_user_id;
  DELETE FROM claim_writes WHERE user_id = p_user_id;
  INSERT INTO claim_writes (id, user_id, claims, next_attempt_at)
    SELECT p_claim_write_id, u.id,
           CASE WHEN v_tenant_id IS NULL THEN 'null'::jsonb
                ELSE jsonb_build_object('tenant_id', v_tenant_id, 'role', v_role) END,
           clock_timestamp() + interval '15 seconds'
    FROM users u WHERE u.id = p_user_id;
  RETURN QUERY SELECT v_tenant_id, v_role;
END
$$;

REVOKE EXECUTE ON FUNCTION queue_claims FROM PUBLIC;
GRANT EXECUTE ON FUNCTION queue_claims TO gatehouse_app;
ALTER FUNCTION queue_claims OWNER TO gatehouse_definer;
