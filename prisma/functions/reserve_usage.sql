-- Reservations of many calls, committed together. An id that exists is left as it is: a retry after an unknown commit
-- counts once. A human is made with the first reservation that names it, and an impersonated call's row of the audit log
-- is written here, in the reservation's own transaction. `p_humans`, `p_choices` and `p_boundless` are null where no call
-- names a human, `p_routes` and `p_addresses` where no call is made on a human's behalf. Prices are those of one token;
-- null: unknown.
--
-- A call is admitted under all limits of its human or not at all. Where its prompt fits and its whole answer does not, it
-- gets the room that is left, in whole tokens for each of its choices. `granted`: for each call that a limit of tokens or
-- cost judges, the output tokens that it may make; null: no call was judged. `verdicts`: for each refused call
--   gone         its tenant is gone, or is just being deleted; every other one is held against purge_tenant until this commits
--   request_cnt, token_cnt, cost_micros
--                the limit that it does not fit
--   boundless    it holds content without a known bound, and a limit of tokens or cost would judge it
--   unpriced     its model has no price, and a limit of cost would judge it
-- and null where no call was refused. Not `alive`, and nothing reserved: the lease is dead, so that no sweep would find them.
--
-- Statements that every call runs (here and in settle_usage, charge_humans and tell_usage) are planned once, and for tables
-- that grow: a connection keeps its plans until a table is analyzed, and a plan that was made while the ledger was empty
-- would read all of it for each call, minutes into the first load. And where only a few rows are known, a plan would read an
-- index from end to end to join what it then finds. So these statements join by `= ANY (ARRAY[x])`, which an index answers
-- and which can't be sorted or hashed for, and sort by what they are given.
CREATE OR REPLACE FUNCTION reserve_usage(p_lease_id uuid, p_ids uuid[], p_tenant_ids text[], p_key_ids text[], p_user_ids text[],
                              p_humans text[], p_request_ids text[], p_providers text[], p_models text[],
                              p_streamed boolean[], p_reserved_input_tokens bigint[], p_reserved_output_tokens bigint[],
                              p_input_prices bigint[], p_output_prices bigint[], p_choices integer[], p_boundless boolean[],
                              p_routes text[], p_addresses text[], OUT alive boolean, OUT verdicts text[],
                              OUT granted bigint[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
DECLARE
  v_tenants integer;
  v_done boolean := false;
  v_held_ids text[] := '{}';
  v_known_ids text[];
  v_human_ids text[];
  v_limited_ids text[];
  v_locked integer;
  v_repeated uuid[];
  v_token_epochs bigint[];
  v_request_epochs bigint[];
  v_cost_epochs bigint[];
  v_call record;
  v_human_id text := '';
  v_tokens bigint;
  v_requests bigint;
  v_cost bigint;
  v_told text[];
  v_output bigint;
  v_room bigint;
  v_verdict text;
  v_taken_tenant_ids text[];
  v_taken_human_ids text[];
  v_taken_tokens bigint[];
  v_taken_requests bigint[];
  v_taken_cost bigint[];
  v_taken integer := 0;
BEGIN
  alive := true;
  -- First the locks, then a look: only a statement that begins after a lock was got sees a deletion that held it. Nobody
  -- waits for a lock, since everybody's calls would wait for one tenant's deletion; and they are advisory, since locking
  -- its row would write to it with each batch. A call that comes alone takes its lock in an expression, and is looked up
  -- by equality: each statement costs it a tenth of its time, and an array a new plan every time.
  IF cardinality(p_tenant_ids) = 1 THEN
    IF pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || p_tenant_ids[1], 0)) THEN
      v_held_ids := p_tenant_ids;
      PERFORM 1 FROM process_leases l, tenants t
        WHERE l.id = p_lease_id AND l.ended_at IS NULL AND t.id = p_tenant_ids[1];
      v_done := FOUND;
    END IF;
  ELSE
    SELECT count(*), array_agg(t.id) FILTER (WHERE t.held) INTO v_tenants, v_held_ids
      FROM (SELECT d.id, pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || d.id, 0)) AS held
            FROM (SELECT DISTINCT u.id FROM unnest(p_tenant_ids) AS u (id)) AS d) AS t;
    SELECT count(*) = v_tenants INTO v_done FROM tenants t
      WHERE t.id = ANY (v_held_ids)
        AND EXISTS (SELECT 1 FROM process_leases l WHERE l.id = p_lease_id AND l.ended_at IS NULL);
  END IF;
  IF NOT v_done THEN
    PERFORM 1 FROM process_leases l WHERE l.id = p_lease_id AND l.ended_at IS NULL;
    IF NOT FOUND THEN
      alive := false;
      RETURN;
    END IF;
    v_known_ids := ARRAY(SELECT t.id FROM tenants t WHERE t.id = ANY (v_held_ids));
    verdicts := ARRAY(SELECT CASE WHEN r.tenant_id <> ALL (v_known_ids) THEN 'gone' END
                      FROM unnest(p_tenant_ids) WITH ORDINALITY AS r (tenant_id, place) ORDER BY r.place);
  END IF;

  IF p_humans IS NOT NULL THEN
    -- Again where one of them was erased between two statements, or its limits were removed.
    LOOP
      SELECT array_agg(h.id ORDER BY r.place),
             bool_and(h.id IS NOT NULL OR r.human IS NULL OR coalesce(r.tenant_id <> ALL (v_known_ids), false)),
             array_agg(DISTINCT h.id) FILTER (WHERE num_nonnulls(h.token_cnt, h.request_cnt, h.cost_micros) > 0)
        INTO v_human_ids, v_done, v_limited_ids
        FROM unnest(p_tenant_ids, p_humans) WITH ORDINALITY AS r (tenant_id, human, place)
        LEFT JOIN humans h ON h.tenant_id = ANY (ARRAY[r.tenant_id]) AND h.human = ANY (ARRAY[r.human])
          AND (v_known_ids IS NULL OR h.tenant_id = ANY (v_known_ids));
      IF NOT v_done THEN
        -- Of tenants that are held alone: to write for one that is being deleted would wait for that.
        PERFORM add_humans(array_agg(r.tenant_id), array_agg(r.human), array_agg(r.key_id))
          FROM unnest(p_tenant_ids, p_humans, p_key_ids) AS r (tenant_id, human, key_id)
          WHERE r.human IS NOT NULL AND (v_known_ids IS NULL OR r.tenant_id = ANY (v_known_ids));
        CONTINUE;
      END IF;
      EXIT WHEN v_limited_ids IS NULL;
      PERFORM 1 FROM humans h
        JOIN (SELECT DISTINCT u.tenant_id, u.id FROM unnest(p_tenant_ids, v_human_ids) AS u (tenant_id, id)
              WHERE u.id = ANY (v_limited_ids)) AS u
          ON h.id = ANY (ARRAY[u.id]) AND h.tenant_id IS NOT DISTINCT FROM u.tenant_id
        ORDER BY u.tenant_id, u.id FOR NO KEY UPDATE OF h;
      GET DIAGNOSTICS v_locked = ROW_COUNT;
      EXIT WHEN v_locked = cardinality(v_limited_ids);
    END LOOP;
  END IF;

  IF v_limited_ids IS NOT NULL THEN
    v_repeated := ARRAY(SELECT r.id FROM usage_records r WHERE r.id = ANY (p_ids));
    verdicts := coalesce(verdicts, array_fill(NULL::text, ARRAY[cardinality(p_ids)]));
    granted := array_fill(NULL::bigint, ARRAY[cardinality(p_ids)]);
    -- What is taken of each human's room is added up here, and written at once below.
    FOR v_call IN
      SELECT r.place, r.id, r.tenant_id, r.human_id, r.input_tokens, r.output_tokens, r.input_price, r.output_price,
             r.choices, r.boundless, h.token_cnt - h.token_cnt_reserved AS token_room, h.token_cnt_epoch,
             h.request_cnt - h.request_cnt_reserved AS request_room, h.request_cnt_epoch,
             h.cost_micros, h.cost_micros - h.cost_micros_reserved AS cost_room, h.cost_micros_epoch, h.exceeded_told
      FROM unnest(p_ids, p_tenant_ids, v_human_ids, p_reserved_input_tokens, p_reserved_output_tokens, p_input_prices,
                  p_output_prices, p_choices, p_boundless)
        WITH ORDINALITY AS r (id, tenant_id, human_id, input_tokens, output_tokens, input_price, output_price, choices,
                              boundless, place)
      JOIN humans h ON h.id = ANY (ARRAY[r.human_id]) AND h.tenant_id IS NOT DISTINCT FROM r.tenant_id
      WHERE r.human_id = ANY (v_limited_ids)
      ORDER BY r.tenant_id, r.human_id, r.place
    LOOP
      IF v_call.human_id <> v_human_id THEN
        v_human_id := v_call.human_id;
        v_tokens := 0;
        v_requests := 0;
        v_cost := 0;
        v_told := coalesce(v_call.exceeded_told, '{}');
        v_taken := v_taken + 1;
        v_taken_tenant_ids[v_taken] := v_call.tenant_id;
        v_taken_human_ids[v_taken] := v_human_id;
      END IF;
      v_output := v_call.output_tokens;
      v_verdict := NULL;
      IF v_call.id = ANY (v_repeated) THEN
        SELECT r.reserved_output_tokens INTO v_output FROM usage_records r WHERE r.id = v_call.id;
      ELSE
        IF v_call.request_room IS NOT NULL AND v_call.request_room - v_requests < 1000000 THEN
          v_verdict := 'request_cnt';
        ELSIF v_call.boundless AND (v_call.token_room IS NOT NULL OR v_call.cost_room IS NOT NULL) THEN
          v_verdict := 'boundless';
        ELSIF v_call.cost_room IS NOT NULL AND (v_call.input_price IS NULL OR v_call.output_price IS NULL) THEN
          v_verdict := 'unpriced';
        ELSE
          IF v_call.token_room IS NOT NULL THEN
            v_room := (v_call.token_room - v_tokens) / 1000000 - v_call.input_tokens;
            IF v_room < v_output THEN
              v_output := v_room - v_room % v_call.choices;
              IF v_output < v_call.choices THEN
                v_verdict := 'token_cnt';
              END IF;
            END IF;
          END IF;
          IF v_verdict IS NULL AND v_call.cost_room IS NOT NULL THEN
            v_room := v_call.cost_room - v_cost - v_call.input_tokens * v_call.input_price;
            IF v_call.cost_micros <= 0 OR v_room < 0 THEN
              v_verdict := 'cost_micros';
            ELSIF v_room < v_output * v_call.output_price THEN
              v_output := v_room / v_call.output_price;
              v_output := v_output - v_output % v_call.choices;
              IF v_output < v_call.choices THEN
                v_verdict := 'cost_micros';
              END IF;
            END IF;
          END IF;
        END IF;
        IF v_verdict IS NULL THEN
          IF v_call.token_room IS NOT NULL THEN
            v_tokens := v_tokens + (v_call.input_tokens + v_output) * 1000000;
            v_token_epochs[v_call.place] := v_call.token_cnt_epoch;
          END IF;
          IF v_call.request_room IS NOT NULL THEN
            v_requests := v_requests + 1000000;
            v_request_epochs[v_call.place] := v_call.request_cnt_epoch;
          END IF;
          IF v_call.cost_room IS NOT NULL THEN
            v_cost := v_cost + v_call.input_tokens * v_call.input_price + v_output * v_call.output_price;
            v_cost_epochs[v_call.place] := v_call.cost_micros_epoch;
          END IF;
        ELSE
          verdicts[v_call.place] := v_verdict;
          IF v_verdict IN ('request_cnt', 'token_cnt', 'cost_micros') AND v_verdict <> ALL (v_told) THEN
            v_told := v_told || v_verdict;
            UPDATE humans h SET exceeded_told = v_told
              WHERE h.id = v_human_id AND h.tenant_id IS NOT DISTINCT FROM v_call.tenant_id;
            PERFORM enqueue_webhook_event(v_call.tenant_id, 'usage.limit_exceeded', v_human_id,
                                          jsonb_build_object('type', v_verdict));
          END IF;
        END IF;
      END IF;
      v_taken_tokens[v_taken] := v_tokens;
      v_taken_requests[v_taken] := v_requests;
      v_taken_cost[v_taken] := v_cost;
      IF v_verdict IS NULL AND (v_call.token_room IS NOT NULL OR v_call.cost_room IS NOT NULL) THEN
        granted[v_call.place] := v_output;
      END IF;
    END LOOP;
    UPDATE humans h SET
      token_cnt_reserved = h.token_cnt_reserved + t.tokens, request_cnt_reserved = h.request_cnt_reserved + t.requests,
      cost_micros_reserved = h.cost_micros_reserved + t.cost
    FROM unnest(v_taken_tenant_ids, v_taken_human_ids, v_taken_tokens, v_taken_requests, v_taken_cost)
      AS t (tenant_id, human_id, tokens, requests, cost)
    WHERE h.id = ANY (ARRAY[t.human_id]) AND h.tenant_id IS NOT DISTINCT FROM t.tenant_id AND t.tokens + t.requests + t.cost > 0;
  END IF;

  INSERT INTO usage_records (id, tenant_id, key_id, user_id, human_id, request_id, provider, model, streamed,
                             reserved_input_tokens, reserved_output_tokens, reserved_cost_pico_usd, token_cnt_epoch,
                             request_cnt_epoch, cost_micros_epoch, lease_id, created_at)
  SELECT r.id, r.tenant_id, r.key_id, r.user_id, r.human_id, r.request_id, r.provider, r.model, r.streamed,
         r.reserved_input_tokens, coalesce(granted[r.place], r.reserved_output_tokens),
         r.reserved_input_tokens * r.input_price + coalesce(granted[r.place], r.reserved_output_tokens) * r.output_price,
         v_token_epochs[r.place], v_request_epochs[r.place], v_cost_epochs[r.place], p_lease_id, clock_timestamp()
  FROM unnest(p_ids, p_tenant_ids, p_key_ids, p_user_ids, v_human_ids, p_request_ids, p_providers, p_models, p_streamed,
              p_reserved_input_tokens, p_reserved_output_tokens, p_input_prices, p_output_prices)
    WITH ORDINALITY AS r (id, tenant_id, key_id, user_id, human_id, request_id, provider, model, streamed,
                          reserved_input_tokens, reserved_output_tokens, input_price, output_price, place)
  WHERE verdicts[r.place] IS NULL
  ON CONFLICT (id) DO NOTHING;

  IF p_routes IS NOT NULL THEN
    INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, human_id, resource_type, resource_id,
                              request_id, address)
    SELECT md5('audit:' || r.id)::uuid, t.org_id, t.id, 'request.impersonated', 'key', r.key_id, r.human_id, 'route',
           r.route, r.request_id, r.address
    FROM unnest(p_ids, p_tenant_ids, p_key_ids, v_human_ids, p_request_ids, p_routes, p_addresses)
      WITH ORDINALITY AS r (id, tenant_id, key_id, human_id, request_id, route, address, place)
    JOIN tenants t ON t.id = r.tenant_id
    WHERE r.route IS NOT NULL AND verdicts[r.place] IS NULL
    ON CONFLICT (id) DO NOTHING;
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION reserve_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reserve_usage TO gatehouse_app;
ALTER FUNCTION reserve_usage OWNER TO gatehouse_definer;
