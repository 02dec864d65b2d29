-- Judges calls one after the other under budgets that admit_usage has locked, where the batch does not fit as a whole. Results
-- are those of admit_usage; `holdings`: the budgets that hold something for each call, and their epochs.
CREATE OR REPLACE FUNCTION judge_calls(p_calls admission[], p_human_ids text[], p_outputs bigint[], p_verdicts text[],
                                       p_locked uuid[], p_again boolean, p_now timestamptz,
                                       OUT verdicts text[], OUT granted bigint[], OUT blamed uuid[], OUT holdings budget_holding[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  SET enable_material = off
  AS $$
DECLARE
  -- The locked budgets, one slot for each.
  v_ids uuid[];
  v_types text[];
  v_epochs integer[];
  v_used bigint[];
  v_held bigint[];
  v_allowed bigint[];
  v_added bigint[];
  v_told boolean[];
  v_call record;
  v_slot integer;
  v_need bigint;
  v_output bigint;
  v_room bigint;
  v_bounded boolean;
  v_verdict text;
  v_blamed uuid;
  v_exceeded uuid[];
BEGIN
  SELECT array_agg(b.id), array_agg(b.type), array_agg(b.epoch), array_agg(b.used), array_agg(b.held), array_agg(b.allowed),
         array_agg(0::bigint), array_agg(b.exceeded_told)
    INTO v_ids, v_types, v_epochs, v_used, v_held, v_allowed, v_added, v_told
    FROM (SELECT b.*, b.amount + CASE WHEN b.raise_until > p_now THEN b.raise_by ELSE 0 END AS allowed
          FROM unnest(p_locked) AS l (id) JOIN budgets b ON b.id = ANY (ARRAY[l.id]) ORDER BY b.id) AS b;
  verdicts := coalesce(p_verdicts, array_fill(NULL::text, ARRAY[cardinality(p_calls)]));
  granted := array_fill(NULL::bigint, ARRAY[cardinality(p_calls)]);
  blamed := array_fill(NULL::uuid, ARRAY[cardinality(p_calls)]);
  holdings := array_fill(ROW(NULL, NULL)::budget_holding, ARRAY[cardinality(p_calls)]);
  FOR v_call IN
    SELECT c.*, s.slots, s.missed
    FROM unnest(p_calls) WITH ORDINALITY AS c
    CROSS JOIN LATERAL (
      SELECT array_agg(array_position(v_ids, b.id) ORDER BY h.rank, b.type, b.id) AS slots,
             bool_or(array_position(v_ids, b.id) IS NULL) AS missed
      FROM (SELECT u.* FROM unnest(ARRAY['tenant', 'key:' || c.key_id, 'gateway:' || c.gateway_id,
                                         'gateway_token:' || c.gateway_token_id, 'human:' || p_human_ids[c.ordinality]])
                              WITH ORDINALITY AS u (holder, rank) WHERE u.holder IS NOT NULL OFFSET 0) AS h
      JOIN budgets b ON b.tenant_id = ANY (ARRAY[c.tenant_id]) AND b.holder = ANY (ARRAY[h.holder]) AND b.is_metered
        AND (b.models IS NULL OR c.model = ANY (b.models))) AS s
    WHERE s.slots IS NOT NULL AND verdicts[c.ordinality] IS NULL
    ORDER BY c.ordinality
  LOOP
    -- A recorded call keeps what it holds.
    CONTINUE WHEN p_again AND EXISTS (SELECT FROM usage_records r WHERE r.id = v_call.id AND r.tenant_id IS NOT DISTINCT FROM v_call.tenant_id);
    -- The budget was skipped, or set after the batch was read.
    IF v_call.missed THEN
      verdicts[v_call.ordinality] := 'again';
      CONTINUE;
    END IF;
    v_output := p_outputs[v_call.ordinality];
    v_bounded := false;
    v_verdict := NULL;
    v_blamed := NULL;
    -- The answer is cut to the room that the used amount leaves.
    FOREACH v_slot IN ARRAY v_call.slots LOOP
      v_room := v_allowed[v_slot] - v_used[v_slot];
      IF v_types[v_slot] = 'request_cnt' THEN
        IF v_room < 1000000 THEN
          v_verdict := 'exceeded';
        END IF;
      ELSE
        v_bounded := true;
        IF v_call.boundless THEN
          v_verdict := 'boundless';
        ELSIF v_types[v_slot] = 'token_cnt' THEN
          v_room := v_room / 1000000 - v_call.input_tokens;
        ELSIF v_call.input_price IS NULL OR v_call.output_price IS NULL THEN
          v_verdict := 'unpriced';
        ELSIF v_room <= 0 THEN
          v_room := -1;
        ELSE
          v_room := v_room - v_call.input_tokens * v_call.input_price;
          IF v_room >= 0 THEN
            v_room := CASE WHEN v_call.output_price = 0 THEN v_output ELSE v_room / v_call.output_price END;
          END IF;
        END IF;
        IF v_verdict IS NULL AND v_room < v_output THEN
          v_output := v_room - v_room % v_call.choices;
          IF v_output < v_call.choices THEN
            v_verdict := 'exceeded';
          END IF;
        END IF;
      END IF;
      IF v_call.rough AND v_types[v_slot] <> 'request_cnt' AND (v_verdict = 'exceeded' OR v_output < p_outputs[v_call.ordinality]) THEN
        v_verdict := 'rough';
      END IF;
      IF v_verdict IS NOT NULL THEN
        v_blamed := v_ids[v_slot];
        IF v_verdict = 'exceeded' AND NOT v_told[v_slot] THEN
          v_told[v_slot] := true;
          v_exceeded := v_exceeded || v_blamed;
        END IF;
        EXIT;
      END IF;
    END LOOP;
    -- The call waits for the room that open calls hold.
    IF v_verdict IS NULL THEN
      FOREACH v_slot IN ARRAY v_call.slots LOOP
        v_need := CASE v_types[v_slot] WHEN 'request_cnt' THEN 1000000
                       WHEN 'token_cnt' THEN (v_call.input_tokens + v_output) * 1000000
                       ELSE v_call.input_tokens * v_call.input_price + v_output * v_call.output_price END;
        IF v_used[v_slot] + v_held[v_slot] + v_need > v_allowed[v_slot] THEN
          v_verdict := CASE WHEN v_call.rough AND v_types[v_slot] <> 'request_cnt' THEN 'rough' ELSE 'busy' END;
          v_blamed := v_ids[v_slot];
          EXIT;
        END IF;
      END LOOP;
    END IF;
    IF v_verdict IS NOT NULL THEN
      IF NOT p_again AND EXISTS (SELECT FROM usage_records r WHERE r.id = v_call.id AND r.tenant_id IS NOT DISTINCT FROM v_call.tenant_id) THEN
        RAISE EXCEPTION 'A call of this batch is recorded already.' USING ERRCODE = 'GH001';
      END IF;
      verdicts[v_call.ordinality] := v_verdict;
      blamed[v_call.ordinality] := v_blamed;
      CONTINUE;
    END IF;
    FOREACH v_slot IN ARRAY v_call.slots LOOP
      v_need := CASE v_types[v_slot] WHEN 'request_cnt' THEN 1000000
                     WHEN 'token_cnt' THEN (v_call.input_tokens + v_output) * 1000000
                     ELSE v_call.input_tokens * v_call.input_price + v_output * v_call.output_price END;
      v_held[v_slot] := v_held[v_slot] + v_need;
      v_added[v_slot] := v_added[v_slot] + v_need;
    END LOOP;
    holdings[v_call.ordinality] := (
      SELECT ROW(array_agg(v_ids[s.slot]), array_agg(v_epochs[s.slot]))::budget_holding FROM unnest(v_call.slots) AS s (slot));
    IF v_bounded THEN
      granted[v_call.ordinality] := v_output;
    END IF;
  END LOOP;
  UPDATE budgets b SET held = b.held + d.need FROM unnest(v_ids, v_added) AS d (id, need)
    WHERE b.id = ANY (ARRAY[d.id]) AND d.need > 0;
  IF v_exceeded IS NOT NULL THEN
    UPDATE budgets b SET exceeded_told = true WHERE b.id = ANY (v_exceeded);
    PERFORM tell_budgets(array_agg(ROW(b.tenant_id, b.holder, b.type, b.period, NULL,
        b.amount + CASE WHEN b.raise_until > p_now THEN b.raise_by ELSE 0 END, b.used, b.ends_at)::budget_event))
      FROM budgets b WHERE b.id = ANY (v_exceeded);
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION judge_calls FROM PUBLIC;
ALTER FUNCTION judge_calls OWNER TO gatehouse_definer;
