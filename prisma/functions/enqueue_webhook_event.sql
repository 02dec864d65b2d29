-- Stores an event, and a delivery for each of the tenant's enabled endpoints that chose its type; nothing where no endpoint
-- did. Every payload has the event's id, and the tenant as `project`.
--
-- Waits for no lock, since its callers hold many calls together: a tenant or endpoint that is being deleted is skipped, and any
-- other is held against deletion.
CREATE OR REPLACE FUNCTION enqueue_webhook_event(p_tenant_id text, p_type text, p_human_id text, p_payload jsonb) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_endpoint_ids text[];
  v_event_id uuid := gen_random_uuid();
BEGIN
  IF NOT EXISTS (SELECT 1 FROM webhook_subscriptions s WHERE s.type = p_type AND s.tenant_id = p_tenant_id) THEN
    RETURN;
  END IF;
  PERFORM 1 FROM tenants t WHERE t.id = p_tenant_id FOR KEY SHARE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  v_endpoint_ids := ARRAY(
    SELECT e.id FROM webhook_subscriptions s JOIN webhook_endpoints e ON e.tenant_id = s.tenant_id AND e.id = s.endpoint_id
    WHERE s.type = p_type AND s.tenant_id = p_tenant_id AND e.status = 'ENABLED'
    ORDER BY e.id FOR KEY SHARE OF e SKIP LOCKED);
  IF cardinality(v_endpoint_ids) = 0 THEN
    RETURN;
  END IF;
  INSERT INTO webhook_events (id, tenant_id, type, human_id, payload)
    VALUES (v_event_id, p_tenant_id, p_type, p_human_id,
            jsonb_build_object('id', v_event_id, 'project', p_tenant_id) || p_payload);
  INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id)
    SELECT gen_random_uuid(), p_tenant_id, e.id, v_event_id FROM unnest(v_endpoint_ids) AS e (id);
END
$$;

REVOKE EXECUTE ON FUNCTION enqueue_webhook_event FROM PUBLIC;
ALTER FUNCTION enqueue_webhook_event OWNER TO gatehouse_definer;
