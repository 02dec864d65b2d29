-- Deletes every row of a tenant but its tombstone in the org's audit log, which names no person. The tenant's row is locked
-- first, so that no reservation or key is added meanwhile. Request windows go last, since other tenants' calls in the same
-- counting statement wait for them.
CREATE OR REPLACE FUNCTION purge_tenant(p_tenant_id text, p_audit_id uuid) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_org_id text;
  v_user_id text;
  v_key_ids text[];
BEGIN
  -- Waits for reservations under way; later ones are refused.
  PERFORM pg_advisory_xact_lock(hashtextextended('tenant:' || p_tenant_id, 0));
  SELECT t.org_id INTO v_org_id FROM tenants t WHERE t.id = p_tenant_id FOR UPDATE;
  -- Locks in the order of all other transactions: the deletions below would lock in the order of reading.
  PERFORM 1 FROM budgets b WHERE b.tenant_id = p_tenant_id ORDER BY b.id FOR UPDATE;
  v_key_ids := ARRAY(SELECT k.id FROM api_keys k WHERE k.tenant_id = p_tenant_id);
  -- Events go before their endpoints, in the order of pruning; their deliveries go with them.
  DELETE FROM webhook_events WHERE tenant_id = p_tenant_id;
  -- Old months are not summed until this is committed; a sum that is under way comes first.
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('usage-retention', 0));
  DELETE FROM usage_records WHERE tenant_id = p_tenant_id;
  DELETE FROM usage_records_retired WHERE tenant_id = p_tenant_id;
  DELETE FROM usage_rollups WHERE tenant_id = p_tenant_id;
  DELETE FROM usage_reports WHERE tenant_id = p_tenant_id;
  DELETE FROM usage_tokens WHERE tenant_id = p_tenant_id;
  DELETE FROM api_key_retired_secrets WHERE tenant_id = p_tenant_id;
  DELETE FROM api_keys WHERE tenant_id = p_tenant_id;
  DELETE FROM humans WHERE tenant_id = p_tenant_id;
  DELETE FROM idempotency_keys WHERE tenant_id = p_tenant_id;
  DELETE FROM audit_events WHERE tenant_id = p_tenant_id
    OR (tenant_id IS NULL AND org_id = v_org_id AND resource_type = 'tenant' AND resource_id = p_tenant_id);
  DELETE FROM tenants WHERE id = p_tenant_id;
  FOR v_user_id IN SELECT u.id FROM users u WHERE u.claimed_tenant_id = p_tenant_id ORDER BY u.id
  LOOP
    PERFORM queue_claims(v_user_id, gen_random_uuid());
  END LOOP;
  INSERT INTO audit_events (id, org_id, action, actor_type, resource_type, resource_id)
    VALUES (p_audit_id, v_org_id, 'tenant.deleted', 'user', 'tenant', p_tenant_id);
  -- In the order in which requests lock them.
  WITH own AS (
    SELECT w.key FROM rate_windows w WHERE w.key LIKE 'key:%' AND split_part(w.key, ':', 2) = ANY (v_key_ids)
    ORDER BY w.key FOR UPDATE)
  DELETE FROM rate_windows w USING own WHERE w.key = own.key;
END
$$;

REVOKE EXECUTE ON FUNCTION purge_tenant FROM PUBLIC;
ALTER FUNCTION purge_tenant OWNER TO gatehouse_definer;
