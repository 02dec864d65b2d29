-- Admits many calls together, each under all budgets of all its holders or under none, and writes their records. A human is
-- created with the first call that names it; an impersonated call's row of the audit log is written here too.
--
-- A call's holders are its tenant, its key, its gateway, that gateway's token, and its human, in this order. A budget with
-- models judges only calls of these models. Amounts are in millionths; prices are per token; null: unknown.
--
-- `alive`    false, and nothing admitted: the lease is dead, so that no sweep would find the calls
-- `granted`  for each call that a budget of tokens or cost judges, the output tokens that it may make; null: none is judged
-- `verdicts` for each refused call; null where no call is refused
--   gone       its tenant is gone, or is being deleted; every other tenant is held against purge_tenant until the commit
--   again      another transaction holds one of its budgets, and the caller does not wait (`p_wait`): send it again
--   exceeded   the used amount leaves too little room
--   busy       it would fit without what open calls hold
--   boundless  it has content without a known bound, and a budget of tokens or cost would judge it
--   rough      it does not fit with its rough input: send it again with a closer bound
--   unpriced   its model has no price, and a budget of cost would judge it
-- `blamed`   for each call that a budget refused, that budget; null where no budget refused a call
-- `rooms`    for each call that a renewing budget of tokens judges, of the one with the least room: the tokens that are left
--            besides those that this call asks for, the limit, and the milliseconds until it renews; joined by commas
--
-- A call whose caller named no output limit gets the default of its key or tenant, else its own default. An answer is cut to
-- the room that used amounts leave, not held ones, in whole tokens for each of its choices.
--
-- `p_again`: true, a call may be recorded already, since the outcome of an earlier try is unknown; its record stays as it is.
-- Otherwise such a call fails the batch, so that nothing is held twice: where it is null mostly by the ledger's primary key (23505).
-- The release before this one knows GH001 alone, and sends false: its calls are looked up first.
--
-- How every call's statements (here and in judge_calls, settle_usage, charge_budgets and tell_usage) are planned: decision 15.
-- They join by `= ANY (ARRAY[x])`, which an index answers and which can't be sorted or hashed for, and sort by what they are
-- given. They look records up in a sub-select with OFFSET 0, which the planner can't turn into one read of the whole ledger.
CREATE OR REPLACE FUNCTION admit_usage(p_lease_id uuid, p_calls admission[], p_again boolean, p_wait boolean,
                                       OUT alive boolean, OUT verdicts text[], OUT granted bigint[], OUT blamed jsonb,
                                       OUT rooms text[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  SET enable_material = off
  SET lock_timeout = '100ms'
  AS $$
DECLARE
  v_count integer := cardinality(p_calls);
  v_now timestamptz := ledger_now();
  v_tenant_ids text[];
  v_held_ids text[];
  v_known_ids text[];
  v_human_ids text[];
  v_named boolean;
  v_defaulted boolean;
  v_routed boolean;
  v_negative boolean;
  v_recorded uuid[];
  v_any boolean;
  v_done boolean;
  v_wait boolean := true;
  v_at_once boolean;
  v_outputs bigint[];
  v_ids uuid[];
  v_needs bigint[];
  v_locked bigint;
  v_fitting bigint;
  v_fits boolean;
  v_missed uuid[];
  v_renewed uuid[];
  v_holdings budget_holding[];
  v_blamed uuid[];
BEGIN
  alive := true;
  -- Locks first, then a look: only a statement that begins after the lock sees a deletion that held it. No call waits for these
  -- locks, since all tenants' calls would wait for one deletion. They are advisory, since a row lock would write to the
  -- tenant's row with each batch.
  --
  -- A single call takes its lock in an expression and is looked up by equality: each statement costs it a tenth of its time. A
  -- tenant without any budget costs one probe of an index: sorted by holder, it is never one that begins with the id.
  IF v_count = 1 THEN
    v_tenant_ids := ARRAY[p_calls[1].tenant_id];
    v_named := p_calls[1].human IS NOT NULL;
    v_defaulted := p_calls[1].default_output IS NOT NULL;
    v_routed := p_calls[1].route IS NOT NULL;
    v_negative := least(p_calls[1].input_tokens, p_calls[1].output_tokens, p_calls[1].default_output, p_calls[1].most_output,
                        p_calls[1].choices, p_calls[1].input_price, p_calls[1].output_price) < 0;
    IF pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || v_tenant_ids[1], 0)) THEN
      v_held_ids := v_tenant_ids;
      SELECT (SELECT true FROM budgets b WHERE b.tenant_id = t.id ORDER BY b.holder LIMIT 1) INTO v_any
        FROM process_leases l, tenants t WHERE l.id = p_lease_id AND l.ended_at IS NULL AND t.id = v_tenant_ids[1];
      v_done := FOUND;
    END IF;
  ELSE
    SELECT array_agg(t.id), array_agg(t.id) FILTER (WHERE t.held), bool_or(t.named), bool_or(t.defaulted), bool_or(t.routed),
           bool_or(t.negative)
      INTO v_tenant_ids, v_held_ids, v_named, v_defaulted, v_routed, v_negative
      FROM (SELECT d.*, pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || d.id, 0)) AS held
            FROM (SELECT c.tenant_id AS id, bool_or(c.human IS NOT NULL) AS named, bool_or(c.default_output IS NOT NULL) AS defaulted,
                         bool_or(c.route IS NOT NULL) AS routed,
                         bool_or(least(c.input_tokens, c.output_tokens, c.default_output, c.most_output, c.choices, c.input_price,
                                       c.output_price) < 0) AS negative
                  FROM unnest(p_calls) AS c GROUP BY c.tenant_id) AS d) AS t;
    SELECT count(*) = cardinality(v_tenant_ids), bool_or((SELECT true FROM budgets b WHERE b.tenant_id = t.id ORDER BY b.holder LIMIT 1))
      INTO v_done, v_any
      FROM tenants t
      WHERE t.id = ANY (v_held_ids) AND EXISTS (SELECT 1 FROM process_leases l WHERE l.id = p_lease_id AND l.ended_at IS NULL);
    v_wait := p_wait OR cardinality(v_tenant_ids) = 1;
  END IF;
  -- A check of the table would be read anew from its text by each statement.
  IF v_negative THEN
    RAISE EXCEPTION 'Tokens, choices and prices of a call are at least 0.' USING ERRCODE = 'check_violation';
  END IF;
  IF v_done IS NOT TRUE THEN
    PERFORM 1 FROM process_leases l WHERE l.id = p_lease_id AND l.ended_at IS NULL;
    IF NOT FOUND THEN
      alive := false;
      RETURN;
    END IF;
    v_known_ids := ARRAY(SELECT t.id FROM tenants t WHERE t.id = ANY (v_held_ids));
    verdicts := ARRAY(SELECT CASE WHEN c.tenant_id <> ALL (v_known_ids) THEN 'gone' END
                      FROM unnest(p_calls) WITH ORDINALITY AS c ORDER BY c.ordinality);
  END IF;

  IF p_again IS NOT NULL THEN
    v_recorded := ARRAY(SELECT r.id FROM unnest(p_calls) AS c
                        CROSS JOIN LATERAL (SELECT u.id FROM usage_records u WHERE u.id = c.id OFFSET 0) AS r);
    IF NOT p_again AND cardinality(v_recorded) > 0 THEN
      RAISE EXCEPTION 'A call of this batch is recorded already.' USING ERRCODE = 'GH001';
    END IF;
  END IF;

  IF v_named THEN
    -- Repeats if a human was erased between two statements.
    LOOP
      -- A human that another transaction created after the look at the tenants may have brought budgets.
      SELECT array_agg(h.id ORDER BY c.ordinality),
             bool_and(h.id IS NOT NULL OR c.human IS NULL OR coalesce(c.tenant_id <> ALL (v_known_ids), false)),
             bool_or(CASE WHEN v_any THEN true WHEN h.id IS NULL THEN false
                          ELSE (SELECT true FROM budgets b WHERE b.tenant_id = h.tenant_id ORDER BY b.holder LIMIT 1) END)
        INTO v_human_ids, v_done, v_any
        FROM unnest(p_calls) WITH ORDINALITY AS c
        LEFT JOIN humans h ON h.tenant_id = ANY (ARRAY[c.tenant_id]) AND h.human = ANY (ARRAY[c.human])
          AND (v_known_ids IS NULL OR h.tenant_id = ANY (v_known_ids));
      EXIT WHEN v_done;
      -- Only for tenants that are held: a write for one that is being deleted would wait for its deletion.
      PERFORM add_humans(array_agg(c.tenant_id), array_agg(c.human), array_agg(c.key_id))
        FROM unnest(p_calls) AS c
        WHERE c.human IS NOT NULL AND (v_known_ids IS NULL OR c.tenant_id = ANY (v_known_ids));
      -- The new humans may have brought the tenant's first budgets.
      v_any := true;
    END LOOP;
  END IF;

  IF v_any THEN
    IF v_defaulted THEN
      v_outputs := wanted_outputs(p_calls);
    ELSE
      v_outputs := ARRAY(SELECT c.output_tokens FROM unnest(p_calls) AS c);
    END IF;
    -- Calls of live tenants, sent for the first time, whose budgets may be waited for, are held at once.
    v_at_once := v_wait AND verdicts IS NULL AND p_again IS NOT TRUE;
    -- Finds the budgets of each call, read once, and sums by budget and by call. Where all calls seem to fit, one update locks
    -- the budgets by id, as everywhere, holds the sums, and tells whether they fit the rows as they are once locked.
    -- Repeats once if a period was over. The second time all is locked that may be: to wait for a budget that was set meanwhile
    -- would break the order of ids, so its calls are sent again.
    --
    -- The calls come from a subquery that is not merged (MATERIALIZED): without statistics, a planner would look budgets up by
    -- tenant alone, and compare the holders of all that it finds.
    LOOP
      WITH asked AS MATERIALIZED (
        SELECT c.ordinality AS place, c.tenant_id, c.model, c.input_tokens, c.input_price, c.output_price, c.boundless, h.holder,
               v_outputs[c.ordinality] AS wanted
        FROM unnest(p_calls) WITH ORDINALITY AS c
        CROSS JOIN unnest(ARRAY['tenant', 'key:' || c.key_id, 'gateway:' || c.gateway_id,
                                'gateway_token:' || c.gateway_token_id, 'human:' || v_human_ids[c.ordinality]]) AS h (holder)
        WHERE h.holder IS NOT NULL AND (v_known_ids IS NULL OR c.tenant_id = ANY (v_known_ids))),
      pair AS MATERIALIZED (
        SELECT a.place, b.id, b.epoch, b.used, b.held, b.ends_at, b.type = 'token_cnt' AND b.ends_at < 'infinity' AS shown,
               CASE WHEN b.type <> 'request_cnt' THEN a.wanted END AS wanted,
               b.amount + CASE WHEN b.raise_until > v_now THEN b.raise_by ELSE 0 END AS allowed,
               -- Null: nothing tells what the call may take.
               CASE WHEN b.type = 'request_cnt' THEN 1000000
                    WHEN a.boundless THEN NULL
                    WHEN b.type = 'token_cnt' THEN (a.input_tokens + a.wanted) * 1000000
                    ELSE a.input_tokens * a.input_price + a.wanted * a.output_price END AS need
        FROM asked a JOIN budgets b ON b.tenant_id = ANY (ARRAY[a.tenant_id]) AND b.holder = ANY (ARRAY[a.holder])
          AND b.is_metered AND (b.models IS NULL OR a.model = ANY (b.models))),
      due AS MATERIALIZED (
        SELECT p.id, p.epoch, sum_bigint(p.need) AS need,
               count(p.need) = count(*) AND p.used < p.allowed AND sum_bigint(p.need) <= p.allowed - p.used - p.held
                 AND p.ends_at > v_now AS fits
        FROM pair p GROUP BY p.id, p.epoch, p.used, p.held, p.allowed, p.ends_at ORDER BY p.id),
      held AS (
        UPDATE budgets b SET held = b.held + d.need FROM due d
        WHERE v_at_once AND (SELECT bool_and(e.fits AND (v_renewed IS NULL OR e.id = ANY (v_renewed))) FROM due e)
          AND b.id = ANY (ARRAY[d.id])
        RETURNING b.epoch = d.epoch AND b.ends_at > v_now
          AND b.used < b.amount + CASE WHEN b.raise_until > v_now THEN b.raise_by ELSE 0 END
          AND b.held <= b.amount + CASE WHEN b.raise_until > v_now THEN b.raise_by ELSE 0 END - b.used AS fits),
      by_call AS (
        -- Grouped from one list: a join of functions' results without hashes would compare each row with each.
        SELECT q.place, array_agg(q.id) FILTER (WHERE q.id IS NOT NULL) AS ids,
               array_agg(q.epoch) FILTER (WHERE q.id IS NOT NULL) AS epochs, max(q.wanted) AS granted,
               array_to_string(min(q.room), ',') AS room
        FROM (SELECT p.place, p.id, p.epoch, p.wanted,
                     CASE WHEN p.shown THEN ARRAY[greatest(p.allowed - p.used - p.held - p.need, 0) / 1000000, p.allowed / 1000000,
                       ceil(extract(epoch FROM p.ends_at - v_now) * 1000)::bigint] END AS room
              FROM pair p
              UNION ALL SELECT n, NULL, NULL, NULL, NULL FROM generate_series(1, v_count) AS n) AS q
        GROUP BY q.place ORDER BY q.place)
      SELECT d.ids, d.needs, h.locked, h.fitting, c.holdings, c.granted, c.rooms
        INTO v_ids, v_needs, v_locked, v_fitting, v_holdings, granted, rooms
        FROM (SELECT array_agg(e.id) AS ids, array_agg(e.need) AS needs FROM due e) AS d,
             (SELECT count(*) AS locked, count(*) FILTER (WHERE e.fits) AS fitting FROM held e) AS h,
             (SELECT array_agg(ROW(g.ids, g.epochs)::budget_holding) AS holdings, array_agg(g.granted) AS granted,
                     array_agg(g.room) AS rooms
              FROM by_call g) AS c;
      v_fits := v_ids IS NULL OR v_fitting = cardinality(v_ids);
      EXIT WHEN v_fits;
      IF v_locked > 0 THEN
        -- Another transaction changed one of them meanwhile. All are locked now, and hold nothing of this batch.
        UPDATE budgets b SET held = b.held - d.need FROM unnest(v_ids, v_needs) AS d (id, need) WHERE b.id = ANY (ARRAY[d.id]);
      ELSIF v_renewed IS NOT NULL THEN
        v_ids := v_renewed;
      ELSIF v_wait THEN
        PERFORM 1 FROM (SELECT b.id FROM unnest(v_ids) AS d (id) JOIN budgets b ON b.id = ANY (ARRAY[d.id])
                        ORDER BY b.id FOR NO KEY UPDATE OF b) AS l;
      ELSE
        v_missed := lock_budgets(v_ids);
        v_ids := ARRAY(SELECT d.id FROM unnest(v_ids) AS d (id) WHERE v_missed IS NULL OR d.id <> ALL (v_missed));
      END IF;
      EXIT WHEN v_renewed IS NOT NULL
        OR NOT EXISTS (SELECT FROM unnest(v_ids) AS d (id) JOIN budgets b ON b.id = ANY (ARRAY[d.id]) WHERE b.ends_at <= v_now);
      PERFORM end_epochs(v_ids, v_now, false);
      v_renewed := v_ids;
    END LOOP;

    IF NOT v_fits THEN
      SELECT j.verdicts, j.granted, j.blamed, j.holdings INTO verdicts, granted, v_blamed, v_holdings
        FROM judge_calls(p_calls, v_human_ids, v_outputs, verdicts, v_ids, coalesce(p_again, false), v_now) AS j;
      IF array_position(verdicts, 'exceeded') > 0 OR array_position(verdicts, 'busy') > 0 THEN
        blamed := (
          SELECT jsonb_agg(CASE WHEN b.id IS NOT NULL THEN jsonb_build_object(
                   'id', b.id, 'holder', split_part(b.holder, ':', 1), 'type', b.type, 'period', b.period,
                   'resets_at', CASE WHEN b.ends_at < 'infinity'
                     THEN to_char(b.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END,
                   'resets_in_ms', CASE WHEN b.ends_at < 'infinity' THEN ceil(extract(epoch FROM b.ends_at - v_now) * 1000) END)
                 END ORDER BY u.place)
          FROM unnest(v_blamed) WITH ORDINALITY AS u (id, place) LEFT JOIN budgets b ON b.id = ANY (ARRAY[u.id]));
      END IF;
    END IF;
  END IF;

  INSERT INTO usage_records (id, tenant_id, key_id, user_id, human_id, gateway_id, gateway_token_id, request_id, provider, model,
                             streamed, reserved_input_tokens, reserved_output_tokens, reserved_cost_pico_usd, limited,
                             budget_ids, budget_epochs, operation, route, attempt, sealed_token_hash, lease_id, created_at)
  SELECT c.id, c.tenant_id, c.key_id, c.user_id, v_human_ids[c.ordinality], c.gateway_id, c.gateway_token_id, c.request_id,
         c.provider, c.model, c.streamed, c.input_tokens, coalesce(granted[c.ordinality], c.output_tokens),
         c.input_tokens * c.input_price + coalesce(granted[c.ordinality], c.output_tokens) * c.output_price,
         granted[c.ordinality] IS NOT NULL, (v_holdings[c.ordinality]).budget_ids, (v_holdings[c.ordinality]).budget_epochs,
         c.operation, c.route_name, c.attempt, c.sealed_token_hash, p_lease_id, v_now
  FROM unnest(p_calls) WITH ORDINALITY AS c
  -- ON CONFLICT would take a tenth of a batch's time.
  WHERE verdicts[c.ordinality] IS NULL AND (v_recorded IS NULL OR c.id <> ALL (v_recorded));
  IF p_again THEN
    granted := (
      SELECT array_agg(CASE WHEN r.limited THEN r.reserved_output_tokens END ORDER BY c.ordinality)
      FROM unnest(p_calls) WITH ORDINALITY AS c
      LEFT JOIN LATERAL (
        SELECT u.tenant_id, u.limited, u.reserved_output_tokens FROM usage_records u WHERE u.id = c.id OFFSET 0) AS r
        ON r.tenant_id = c.tenant_id);
  END IF;

  IF v_routed THEN
    INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, human_id, resource_type, resource_id,
                              request_id, address)
    SELECT md5('audit:' || c.id)::uuid, t.org_id, t.id, 'request.impersonated', 'key', c.key_id, v_human_ids[c.ordinality],
           'route', c.route, c.request_id, c.address
    FROM unnest(p_calls) WITH ORDINALITY AS c
    JOIN tenants t ON t.id = c.tenant_id
    WHERE c.route IS NOT NULL AND verdicts[c.ordinality] IS NULL
    ON CONFLICT (id) DO NOTHING;
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION admit_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admit_usage TO gatehouse_app;
ALTER FUNCTION admit_usage OWNER TO gatehouse_definer;
