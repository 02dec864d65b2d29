-- Ends an attempt: delivered (no `p_error`), to be retried (`p_retry_in`), or failed. Changes nothing where a later attempt
-- exists: the claim ran out, and another process took the delivery.
--
-- An endpoint that answered 410, or accepted nothing for `p_dead_after`, is disabled here, with a row in the audit log; the
-- result says so once. Our own failures (`INTERNAL`) do not count against the endpoint.
CREATE OR REPLACE FUNCTION finish_webhook_delivery(p_id uuid, p_attempt integer, p_status_code integer, p_error text,
                                        p_retry_in interval, p_dead_after interval)
  RETURNS TABLE (endpoint_id text, tenant_id text, disabled_reason text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
  v_endpoint webhook_endpoints%ROWTYPE;
  v_began_at timestamptz;
  v_reason text;
BEGIN
  SELECT d.last_attempt_at INTO v_began_at FROM webhook_deliveries d WHERE d.id = p_id;
  SELECT e.* INTO v_endpoint FROM webhook_deliveries d
    JOIN webhook_endpoints e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id WHERE d.id = p_id;
  -- A deleted tenant takes its deliveries along; the lock keeps a deletion from beginning meanwhile.
  IF NOT FOUND OR NOT pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || v_endpoint.tenant_id, 0)) THEN
    RETURN;
  END IF;
  -- The endpoint is locked before its delivery, in the order of its deletion, and only if it may change.
  IF p_error IS NOT NULL OR v_endpoint.failing_since IS NOT NULL THEN
    SELECT e.* INTO v_endpoint FROM webhook_endpoints e WHERE e.id = v_endpoint.id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
      RETURN;
    END IF;
  END IF;
  UPDATE webhook_deliveries d
  SET status = CASE WHEN p_error IS NULL THEN 'DELIVERED' WHEN p_retry_in IS NULL THEN 'FAILED' ELSE 'PENDING' END,
      next_attempt_at = CASE WHEN p_error IS NOT NULL THEN v_now + p_retry_in END,
      ended_at = CASE WHEN p_error IS NULL OR p_retry_in IS NULL THEN v_now END,
      last_status_code = p_status_code, last_error = p_error,
      attempt_log = d.attempt_log || jsonb_strip_nulls(jsonb_build_object(
        'attempt', p_attempt, 'beganAt', d.last_attempt_at, 'endedAt', v_now, 'statusCode', p_status_code, 'error', p_error))
  WHERE d.id = p_id AND d.attempts = p_attempt AND d.status = 'PENDING';
  IF NOT FOUND OR p_error = 'INTERNAL' THEN
    RETURN;
  END IF;

  IF p_error IS NULL THEN
    UPDATE webhook_endpoints e SET failing_since = NULL WHERE e.id = v_endpoint.id AND e.failing_since IS NOT NULL;
    RETURN;
  END IF;
  -- The endpoint was changed after the attempt began, perhaps to another address.
  IF v_endpoint.updated_at > v_began_at THEN
    RETURN;
  END IF;
  v_reason := CASE WHEN v_endpoint.status = 'DISABLED' THEN NULL WHEN p_error = 'GONE' THEN 'GONE'
                   WHEN v_endpoint.failing_since <= v_now - p_dead_after THEN 'FAILING' END;
  UPDATE webhook_endpoints e SET failing_since = coalesce(e.failing_since, v_now)
    WHERE e.id = v_endpoint.id AND e.failing_since IS NULL;
  IF v_reason IS NOT NULL THEN
    UPDATE webhook_endpoints e SET status = 'DISABLED', disabled_reason = v_reason, disabled_at = v_now, updated_at = v_now
      WHERE e.id = v_endpoint.id;
    INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, resource_type, resource_id, details)
      SELECT gen_random_uuid(), t.org_id, t.id, 'webhook_endpoint.disabled', 'system', 'webhooks', 'webhook_endpoint',
             v_endpoint.id, jsonb_build_object('reason', v_reason)
      FROM tenants t WHERE t.id = v_endpoint.tenant_id;
    RETURN QUERY SELECT v_endpoint.id, v_endpoint.tenant_id, v_reason;
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION finish_webhook_delivery FROM PUBLIC;
GRANT EXECUTE ON FUNCTION finish_webhook_delivery TO gatehouse_app;
ALTER FUNCTION finish_webhook_delivery OWNER TO gatehouse_definer;
