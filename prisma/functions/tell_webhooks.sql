-- Tells webhooks of an event of the service's own rooms: those of the transaction's tenant, or, for an event of the org, those
-- of all the org's tenants, whose people are the same.
CREATE OR REPLACE FUNCTION tell_webhooks(p_type text, p_human_id text, p_payload jsonb, p_of_org boolean) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_tenant_id text;
BEGIN
  IF NOT p_of_org THEN
    PERFORM enqueue_webhook_event(current_tenant_id(), p_type, p_human_id, p_payload);
    RETURN;
  END IF;
  FOR v_tenant_id IN SELECT t.id FROM tenants t WHERE t.org_id = current_org_id() ORDER BY t.id
  LOOP
    PERFORM enqueue_webhook_event(v_tenant_id, p_type, NULL, p_payload);
  END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION tell_webhooks FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tell_webhooks TO gatehouse_app;
ALTER FUNCTION tell_webhooks OWNER TO gatehouse_definer;
