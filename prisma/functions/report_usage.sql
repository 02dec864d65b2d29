-- Counts a report of a tenant's server once for each idempotency key: writes it to the ledger and takes it from the
-- human's limit, also below 0, since it has happened. Runs with its caller's rights, in the current tenant, and
-- holds it against deletion.
--
-- `outcome`: new; known: it was counted before; other: the key was used for another report; gone: the tenant was deleted.
CREATE OR REPLACE FUNCTION report_usage(p_tenant_id text, p_id uuid, p_human text, p_key_id text, p_user_id text, p_type text,
    p_micro_units bigint, p_idempotency_key text)
  RETURNS TABLE (outcome text, report_id uuid)
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_known record;
  v_human_id text;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('tenant:' || p_tenant_id, 0));
  PERFORM 1 FROM tenants t WHERE t.id = p_tenant_id;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'gone', NULL::uuid;
    RETURN;
  END IF;
  -- Requests with the same key wait here. Otherwise a repeat could bring back a human who was erased
  -- between its look and its insert.
  PERFORM pg_advisory_xact_lock(hashtextextended('usage-report:' || p_idempotency_key, 0));
  SELECT r.id, r.type, r.micro_units, h.human INTO v_known
    FROM usage_reports r LEFT JOIN humans h ON h.tenant_id = r.tenant_id AND h.id = r.human_id
    WHERE r.tenant_id = p_tenant_id AND r.idempotency_key = p_idempotency_key;
  IF FOUND THEN
    -- A report's human is forgotten with its erasure: then the other fields decide, and a repeat does not bring the human back.
    RETURN QUERY SELECT
      CASE WHEN v_known.type = p_type AND v_known.micro_units = p_micro_units AND coalesce(v_known.human, p_human) = p_human
        THEN 'known' ELSE 'other' END,
      v_known.id;
    RETURN;
  END IF;
  v_human_id := ensure_human(p_human, p_key_id);
  INSERT INTO usage_reports (id, tenant_id, human_id, key_id, user_id, type, micro_units, idempotency_key)
    VALUES (p_id, p_tenant_id, v_human_id, p_key_id, p_user_id, p_type, p_micro_units, p_idempotency_key);
  PERFORM charge_report(v_human_id, p_type, p_micro_units);
  RETURN QUERY SELECT 'new', p_id;
END
$$;

REVOKE EXECUTE ON FUNCTION report_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION report_usage TO gatehouse_app;
