-- `usage.tracked`: one event for each record and each of tokens, requests and cost that is not 0; also for a correction, whose
-- value may be negative. An event's id is made from its record's id and its type, so that a record that is told twice is one
-- event. Planning: see admit_usage.
CREATE OR REPLACE FUNCTION tell_usage(p_record_ids uuid[]) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  SET enable_material = off
  AS $$
DECLARE
  v_tenant_ids text[];
  v_called_ids text[];
BEGIN
  -- Every call comes here: without a subscribed endpoint on this service it costs one probe of one index.
  IF NOT EXISTS (SELECT 1 FROM webhook_subscriptions s WHERE s.type = 'usage.tracked') THEN
    RETURN;
  END IF;
  v_called_ids := ARRAY(SELECT DISTINCT r.tenant_id FROM unnest(p_record_ids) AS p (id)
                        CROSS JOIN LATERAL (SELECT u.* FROM usage_records u WHERE u.id = p.id OFFSET 0) AS r);
  v_tenant_ids := ARRAY(
    SELECT t.id FROM tenants t
    WHERE t.id = ANY (v_called_ids)
      AND EXISTS (SELECT 1 FROM webhook_subscriptions s WHERE s.type = 'usage.tracked' AND s.tenant_id = t.id)
    ORDER BY t.id FOR KEY SHARE SKIP LOCKED);
  IF cardinality(v_tenant_ids) = 0 THEN
    RETURN;
  END IF;
  WITH listening AS (
    SELECT e.id, e.tenant_id
    FROM webhook_subscriptions s JOIN webhook_endpoints e ON e.tenant_id = s.tenant_id AND e.id = s.endpoint_id
    WHERE s.type = 'usage.tracked' AND s.tenant_id = ANY (v_tenant_ids) AND e.status = 'ENABLED'
    ORDER BY e.id FOR KEY SHARE OF e SKIP LOCKED),
  told AS (
    INSERT INTO webhook_events (id, tenant_id, type, human_id, payload)
    SELECT u.event_id, r.tenant_id, 'usage.tracked', r.human_id,
           jsonb_build_object('id', u.event_id, 'type', u.type, 'value', u.value, 'project', r.tenant_id,
                              'metadata', jsonb_build_object('usage_record_id', r.id, 'model', r.model))
    FROM unnest(p_record_ids) AS p (id)
    CROSS JOIN LATERAL (SELECT u.* FROM usage_records u WHERE u.id = p.id OFFSET 0) AS r
    CROSS JOIN LATERAL (
      SELECT md5('usage.tracked:' || r.id || ':' || v.type)::uuid AS event_id, v.type, v.value
      FROM (VALUES ('token_cnt', (r.input_tokens + r.output_tokens)::numeric),
                   ('request_cnt', r.requests::numeric),
                   ('cost_micros', trim_scale(r.cost_pico_usd::numeric / 1000000))) AS v (type, value)
      WHERE v.value <> 0) AS u
    WHERE EXISTS (SELECT 1 FROM listening l WHERE l.tenant_id IS NOT DISTINCT FROM r.tenant_id)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, tenant_id)
  INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id)
  SELECT gen_random_uuid(), t.tenant_id, l.id, t.id FROM told t JOIN listening l ON l.tenant_id = t.tenant_id;
END
$$;

REVOKE EXECUTE ON FUNCTION tell_usage FROM PUBLIC;
ALTER FUNCTION tell_usage OWNER TO gatehouse_definer;
