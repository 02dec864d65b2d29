-- Hands out due deliveries for `p_term`; unfinished ones are due again after it. `p_busy` names the endpoint of each delivery
-- that the caller has under way, `p_after` the endpoint of the last one that it got.
--
-- Tenants take turns, beginning after the tenant of `p_after`; so do the endpoints of a tenant. In a turn a tenant gets at
-- most half of the remaining places, an org at most half of all places, an endpoint a few, and a failing endpoint one: so
-- none can crowd out the others.
--
-- Only due deliveries (`ready`) are read, by their index; newly due ones are made ready first. Due deliveries to
-- disabled endpoints end here.
--
-- Planned for a queue that grows, whatever the statistics say (decision 15): each ORDER BY names all columns of the index that
-- answers it, and of no other index.
CREATE OR REPLACE FUNCTION claim_webhook_deliveries(p_limit integer, p_busy text[], p_per_endpoint integer, p_after text, p_term interval)
  RETURNS TABLE (id uuid, tenant_id text, endpoint_id text, url text, event_id uuid, type text, payload text, attempt integer,
                 secret_ids uuid[], envelopes bytea[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_bitmapscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  SET enable_sort = off
  SET enable_incremental_sort = off
  AS $$
#variable_conflict use_column
DECLARE
  c_made_ready CONSTANT integer := 5000;
  c_ended_endpoints CONSTANT integer := 10;
  c_endpoints_of_turn CONSTANT integer := 100;
  c_digits CONSTANT text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  v_now timestamptz := clock_timestamp();
  v_left integer := p_limit;
  v_after_tenant_id text := coalesce((SELECT e.tenant_id FROM webhook_endpoints e WHERE e.id = p_after), '');
  v_tenant_id text := v_after_tenant_id;
  v_tenants_wrapped boolean := false;
  v_next_id text;
  v_first_id text;
  v_wrapped boolean;
  v_endpoints integer;
  v_ended integer := 0;
  v_endpoint webhook_endpoints%ROWTYPE;
  v_endpoint_id text;
  v_take integer;
  v_of_turn integer;
  v_places integer := greatest(p_per_endpoint, (p_limit + cardinality(p_busy)) / 2);
  v_org_id text;
  v_held jsonb := coalesce((SELECT jsonb_object_agg(h.org_id, h.held) FROM (
    SELECT t.org_id, count(*) AS held
    FROM unnest(p_busy) AS b (id) JOIN webhook_endpoints e ON e.id = b.id JOIN tenants t ON t.id = e.tenant_id
    GROUP BY t.org_id) AS h), '{}');
  v_secret_ids uuid[];
  v_envelopes bytea[];
BEGIN
  WITH due AS (
    SELECT d.id FROM webhook_deliveries d
    WHERE NOT d.ready AND d.next_attempt_at <= v_now
    ORDER BY d.next_attempt_at LIMIT c_made_ready FOR UPDATE SKIP LOCKED)
  UPDATE webhook_deliveries d SET ready = true FROM due WHERE d.id = ANY (ARRAY[due.id]) AND d.status = 'PENDING';

  WHILE v_left > 0 LOOP
    SELECT d.tenant_id INTO v_next_id FROM webhook_deliveries d
      WHERE d.ready AND d.status = 'PENDING' AND d.tenant_id > v_tenant_id
      ORDER BY d.tenant_id, d.endpoint_id, d.next_attempt_at LIMIT 1;
    IF v_next_id IS NULL AND NOT v_tenants_wrapped THEN
      v_tenants_wrapped := true;
      v_tenant_id := '';
      CONTINUE;
    END IF;
    EXIT WHEN v_next_id IS NULL OR v_tenants_wrapped AND v_next_id > v_after_tenant_id;
    v_tenant_id := v_next_id;

    SELECT t.org_id INTO v_org_id FROM tenants t WHERE t.id = v_tenant_id;
    v_of_turn := least(greatest(p_per_endpoint, v_left / 2), v_places - coalesce((v_held ->> v_org_id)::integer, 0));
    -- The tenant was deleted meanwhile, or all its org's places are taken.
    CONTINUE WHEN v_of_turn IS NULL OR v_of_turn <= 0;

    -- Begins at a random endpoint; for the tenant that was served last, after the endpoint that was served last.
    v_first_id := CASE WHEN p_after = '' THEN '' WHEN v_tenant_id = v_after_tenant_id THEN p_after
                       ELSE 'webhook_' || substr(c_digits, 1 + floor(random() * 62)::integer, 1) END;
    v_endpoint_id := v_first_id;
    v_wrapped := false;
    v_endpoints := 0;
    WHILE v_of_turn > 0 AND v_left > 0 AND v_endpoints < c_endpoints_of_turn LOOP
      SELECT d.endpoint_id INTO v_next_id FROM webhook_deliveries d
        WHERE d.ready AND d.status = 'PENDING' AND d.tenant_id = v_tenant_id AND d.endpoint_id > v_endpoint_id
        ORDER BY d.endpoint_id, d.next_attempt_at LIMIT 1;
      IF v_next_id IS NULL AND NOT v_wrapped THEN
        v_wrapped := true;
        v_endpoint_id := '';
        CONTINUE;
      END IF;
      EXIT WHEN v_next_id IS NULL OR v_wrapped AND v_next_id > v_first_id;
      v_endpoint_id := v_next_id;
      v_endpoints := v_endpoints + 1;

      -- A delivery that was made ready above is changed twice, and then Postgres locks its endpoint. Unless that comes first, and
      -- without waiting, it is a deadlock with the endpoint's deletion, which waits for the delivery.
      SELECT e.* INTO v_endpoint FROM webhook_endpoints e WHERE e.id = v_endpoint_id FOR KEY SHARE SKIP LOCKED;
      -- The endpoint was deleted meanwhile, or is just being deleted or changed.
      CONTINUE WHEN NOT FOUND;
      IF v_endpoint.status = 'DISABLED' THEN
        CONTINUE WHEN v_ended >= c_ended_endpoints;
        v_ended := v_ended + 1;
        WITH due AS (
          SELECT d.id FROM webhook_deliveries d
          WHERE d.ready AND d.status = 'PENDING' AND d.tenant_id = v_tenant_id AND d.endpoint_id = v_endpoint_id
          ORDER BY d.next_attempt_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
        UPDATE webhook_deliveries d
        SET status = 'FAILED', last_error = 'DISABLED', next_attempt_at = NULL, ended_at = v_now, ready = false
        FROM due WHERE d.id = ANY (ARRAY[due.id]);
        CONTINUE;
      END IF;
      v_take := least(v_left, v_of_turn, CASE WHEN v_endpoint.failing_since IS NULL THEN p_per_endpoint ELSE 1 END
                                         - cardinality(array_positions(p_busy, v_endpoint_id)));
      CONTINUE WHEN v_take <= 0;

      SELECT coalesce(array_agg(s.id ORDER BY s.expires_at DESC NULLS FIRST), '{}'),
             coalesce(array_agg(s.envelope ORDER BY s.expires_at DESC NULLS FIRST), '{}')
        INTO v_secret_ids, v_envelopes
        FROM webhook_secrets s
        WHERE s.tenant_id = v_tenant_id AND s.endpoint_id = v_endpoint_id
          AND (s.expires_at IS NULL OR s.expires_at > v_now);
      RETURN QUERY
        WITH due AS (
          SELECT d.id FROM webhook_deliveries d
          WHERE d.ready AND d.status = 'PENDING' AND d.tenant_id = v_tenant_id AND d.endpoint_id = v_endpoint_id
          ORDER BY d.next_attempt_at LIMIT v_take FOR UPDATE SKIP LOCKED),
        taken AS (
          UPDATE webhook_deliveries d
          SET attempts = d.attempts + 1, next_attempt_at = v_now + p_term, last_attempt_at = v_now, ready = false
          FROM due WHERE d.id = ANY (ARRAY[due.id])
          RETURNING d.*)
        SELECT t.id, t.tenant_id, t.endpoint_id, v_endpoint.url, ev.id, ev.type,
               (ev.payload || CASE WHEN h.human IS NULL THEN '{}' ELSE jsonb_build_object('human', h.human) END)::text,
               t.attempts, v_secret_ids, v_envelopes
        FROM taken t
        JOIN webhook_events ev ON ev.id = ANY (ARRAY[t.event_id]) AND ev.tenant_id = t.tenant_id
        LEFT JOIN humans h ON h.tenant_id = ev.tenant_id AND h.id = ev.human_id
        ORDER BY ev.created_at, ev.id;
      GET DIAGNOSTICS v_take = ROW_COUNT;
      v_left := v_left - v_take;
      v_of_turn := v_of_turn - v_take;
      v_held := v_held || jsonb_build_object(v_org_id, coalesce((v_held ->> v_org_id)::integer, 0) + v_take);
    END LOOP;
  END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION claim_webhook_deliveries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_webhook_deliveries TO gatehouse_app;
ALTER FUNCTION claim_webhook_deliveries OWNER TO gatehouse_definer;
