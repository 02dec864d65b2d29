-- Hands out due deliveries for `p_term`: those that are not finished by then are due again. `p_busy` names the endpoint of
-- each delivery that the caller has under way, `p_after` the endpoint that it was given last.
--
-- Endpoints take turns: each gets a few places at a time, a failing one gets one place, and an org gets at most half of all
-- places. So however much waits for one of them, the others get theirs. Only endpoints with something pending are read, each
-- by one probe. Deliveries that are due to a disabled endpoint end here.
CREATE OR REPLACE FUNCTION claim_webhook_deliveries(p_limit integer, p_busy text[], p_per_endpoint integer, p_after text, p_term interval)
  RETURNS TABLE (id uuid, tenant_id text, endpoint_id text, url text, event_id uuid, type text, payload text, attempt integer,
                 secret_ids uuid[], envelopes bytea[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
  v_left integer := p_limit;
  v_after text := p_after;
  v_wrapped boolean := false;
  v_endpoint webhook_endpoints%ROWTYPE;
  v_endpoint_id text;
  v_take integer;
  v_places integer := greatest(p_per_endpoint, (p_limit + cardinality(p_busy)) / 2);
  v_org_id text;
  v_held jsonb := coalesce((SELECT jsonb_object_agg(h.org_id, h.held) FROM (
    SELECT t.org_id, count(*) AS held
    FROM unnest(p_busy) AS b (id) JOIN webhook_endpoints e ON e.id = b.id JOIN tenants t ON t.id = e.tenant_id
    GROUP BY t.org_id) AS h), '{}');
  v_secret_ids uuid[];
  v_envelopes bytea[];
BEGIN
  WHILE v_left > 0 LOOP
    SELECT d.endpoint_id INTO v_endpoint_id FROM webhook_deliveries d
      WHERE d.status = 'PENDING' AND d.endpoint_id > v_after ORDER BY d.endpoint_id LIMIT 1;
    IF v_endpoint_id IS NULL AND NOT v_wrapped THEN
      v_wrapped := true;
      v_after := '';
      CONTINUE;
    END IF;
    EXIT WHEN v_endpoint_id IS NULL OR v_wrapped AND v_endpoint_id > p_after;
    v_after := v_endpoint_id;

    SELECT e.* INTO v_endpoint FROM webhook_endpoints e WHERE e.id = v_endpoint_id;
    -- Deleted since.
    CONTINUE WHEN NOT FOUND;
    SELECT t.org_id INTO v_org_id FROM tenants t WHERE t.id = v_endpoint.tenant_id;
    IF v_endpoint.status = 'DISABLED' THEN
      WITH due AS (
        SELECT d.id FROM webhook_deliveries d
        WHERE d.status = 'PENDING' AND d.endpoint_id = v_endpoint_id AND d.next_attempt_at <= v_now
        ORDER BY d.next_attempt_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
      UPDATE webhook_deliveries d SET status = 'FAILED', last_error = 'DISABLED', next_attempt_at = NULL, ended_at = v_now
      FROM due WHERE d.id = due.id;
      CONTINUE;
    END IF;
    v_take := least(v_left, CASE WHEN v_endpoint.failing_since IS NULL THEN p_per_endpoint ELSE 1 END
                            - cardinality(array_positions(p_busy, v_endpoint_id)),
                    v_places - coalesce((v_held ->> v_org_id)::integer, 0));
    CONTINUE WHEN v_take IS NULL OR v_take <= 0;

    SELECT coalesce(array_agg(s.id ORDER BY s.expires_at DESC NULLS FIRST), '{}'),
           coalesce(array_agg(s.envelope ORDER BY s.expires_at DESC NULLS FIRST), '{}')
      INTO v_secret_ids, v_envelopes
      FROM webhook_secrets s
      WHERE s.tenant_id = v_endpoint.tenant_id AND s.endpoint_id = v_endpoint_id
        AND (s.expires_at IS NULL OR s.expires_at > v_now);
    RETURN QUERY
      WITH due AS (
        SELECT d.id FROM webhook_deliveries d
        WHERE d.status = 'PENDING' AND d.endpoint_id = v_endpoint_id AND d.next_attempt_at <= v_now
        ORDER BY d.next_attempt_at, d.id LIMIT v_take FOR UPDATE SKIP LOCKED),
      taken AS (
        UPDATE webhook_deliveries d
        SET attempts = d.attempts + 1, next_attempt_at = v_now + p_term, last_attempt_at = v_now
        FROM due WHERE d.id = due.id
        RETURNING d.*)
      SELECT t.id, t.tenant_id, t.endpoint_id, v_endpoint.url, ev.id, ev.type,
             (ev.payload || CASE WHEN h.human IS NULL THEN '{}' ELSE jsonb_build_object('human', h.human) END)::text,
             t.attempts, v_secret_ids, v_envelopes
      FROM taken t
      JOIN webhook_events ev ON ev.tenant_id = t.tenant_id AND ev.id = t.event_id
      LEFT JOIN humans h ON h.tenant_id = ev.tenant_id AND h.id = ev.human_id
      ORDER BY ev.created_at, ev.id;
    GET DIAGNOSTICS v_take = ROW_COUNT;
    v_left := v_left - v_take;
    v_held := v_held || jsonb_build_object(v_org_id, coalesce((v_held ->> v_org_id)::integer, 0) + v_take);
  END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION claim_webhook_deliveries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_webhook_deliveries TO gatehouse_app;
ALTER FUNCTION claim_webhook_deliveries OWNER TO gatehouse_definer;
