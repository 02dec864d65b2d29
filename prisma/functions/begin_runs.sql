-- Stores messages, creates missing threads, and begins each message's run, under the caller's lease. The verdict of each:
--   running   the caller starts the run
--   waiting   another run of the thread is live; the process that ends that one begins this one
--   busy      another run is live, and the thread takes no second one
--   full      too many runs wait already
--   gone      the tenant is gone, or is being deleted
--   again     the thread was just deleted, or another message of this batch has the same Idempotency-Key: send it again
--   repeat    its Idempotency-Key began a run before, the one in `run_ids`; nothing was written
--   other     its Idempotency-Key was used for another request; nothing was written
-- `alive` is false, and nothing was written, where the caller's lease is dead.
--
-- Here and in every function that ends a run, a thread's row is locked before its runs are read, threads in the order of their
-- ids. So an ending run sees the run that waits for it, or that one sees the end. New threads are made before, in the order of
-- their keys, while the batch holds no lock that another batch could want.
CREATE OR REPLACE FUNCTION begin_runs(p_lease_id uuid, p_starts run_start[], p_most_waiting integer,
                                      OUT alive boolean, OUT verdicts text[], OUT run_ids uuid[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
DECLARE
  v_held_ids text[];
  v_known_ids text[];
  v_owners text[];
  v_done boolean;
  thread_ids uuid[];
  v_keyed boolean;
  v_claim record;
  v_claimed boolean;
  v_same boolean;
  v_response jsonb;
  v_before text := '';
  -- Places of what needs no run.
  v_judged bigint[] := '{}';
  v_started bigint[];
  v_start run_start;
  v_live_status text;
  v_live_id uuid;
  v_policy text;
  v_run_no integer;
  v_status text;
BEGIN
  PERFORM 1 FROM process_leases l WHERE l.id = p_lease_id AND l.ended_at IS NULL;
  alive := FOUND;
  IF NOT alive THEN
    RETURN;
  END IF;
  -- First the locks, then a look, as in admit_usage.
  v_held_ids := ARRAY(
    SELECT d.id FROM (SELECT DISTINCT s.tenant_id AS id FROM unnest(p_starts) AS s) AS d
    WHERE pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || d.id, 0)));
  v_known_ids := ARRAY(SELECT t.id FROM tenants t WHERE t.id = ANY (v_held_ids));
  -- Keys before every other row, in their order: a second request waits here for the end of the first.
  v_keyed := EXISTS (SELECT FROM unnest(p_starts) AS s WHERE s.idempotency_key IS NOT NULL);
  IF v_keyed THEN
    verdicts := array_fill(NULL::text, ARRAY[cardinality(p_starts)]);
    run_ids := array_fill(NULL::uuid, ARRAY[cardinality(p_starts)]);
    FOR v_claim IN
      SELECT s.tenant_id, s.idempotency_owner AS owner, s.idempotency_key AS key, s.request_hash, s.ordinality AS place,
             s.idempotency_owner || chr(10) || s.idempotency_key AS name
      FROM unnest(p_starts) WITH ORDINALITY AS s
      WHERE s.idempotency_key IS NOT NULL AND s.tenant_id = ANY (v_known_ids)
      ORDER BY s.idempotency_owner, s.idempotency_key, s.ordinality
    LOOP
      -- The first one's verdict is known only after this batch.
      IF v_claim.name = v_before AND v_claimed THEN
        verdicts[v_claim.place] := 'again';
      ELSE
        v_before := v_claim.name;
        SELECT c.claimed, c.same_request, c.response INTO v_claimed, v_same, v_response
          FROM claim_idempotency_key(v_claim.owner, v_claim.key, v_claim.tenant_id, v_claim.request_hash) AS c;
        CONTINUE WHEN v_claimed;
        verdicts[v_claim.place] := CASE WHEN v_same THEN 'repeat' ELSE 'other' END;
        run_ids[v_claim.place] := v_response ->> 'runId';
      END IF;
      v_judged := v_judged || v_claim.place;
    END LOOP;
  END IF;
  -- Repeats if a human was erased between two statements.
  LOOP
    SELECT array_agg(coalesce(s.owner, 'human:' || h.id) ORDER BY s.ordinality),
           bool_and(s.human IS NULL OR h.id IS NOT NULL OR s.tenant_id <> ALL (v_known_ids))
      INTO v_owners, v_done
      FROM unnest(p_starts) WITH ORDINALITY AS s
      LEFT JOIN humans h ON h.tenant_id = ANY (ARRAY[s.tenant_id]) AND h.human = ANY (ARRAY[s.human]);
    EXIT WHEN v_done;
    PERFORM add_humans(array_agg(s.tenant_id), array_agg(s.human), array_agg(s.key_id))
      FROM unnest(p_starts) AS s WHERE s.human IS NOT NULL AND s.tenant_id = ANY (v_known_ids);
  END LOOP;

  INSERT INTO threads (id, tenant_id, owner, conversation_key)
    SELECT n.thread_id, n.tenant_id, n.owner, n.conversation_key
    FROM (SELECT DISTINCT ON (s.tenant_id, v_owners[s.ordinality], s.conversation_key)
                 s.thread_id, s.tenant_id, v_owners[s.ordinality] AS owner, s.conversation_key
          FROM unnest(p_starts) WITH ORDINALITY AS s
          WHERE s.tenant_id = ANY (v_known_ids) AND s.ordinality <> ALL (v_judged)
          ORDER BY s.tenant_id, v_owners[s.ordinality], s.conversation_key) AS n
    WHERE NOT EXISTS (SELECT FROM threads t WHERE t.tenant_id = n.tenant_id AND t.owner = n.owner
                        AND t.conversation_key = n.conversation_key)
    ORDER BY n.tenant_id, n.owner, n.conversation_key
    ON CONFLICT (tenant_id, owner, conversation_key) DO NOTHING;
  SELECT array_agg(f.id ORDER BY f.ordinality) INTO thread_ids
    FROM (SELECT s.ordinality,
                 (SELECT t.id FROM threads t WHERE t.tenant_id = s.tenant_id AND t.owner = v_owners[s.ordinality]
                    AND t.conversation_key = s.conversation_key) AS id
          FROM unnest(p_starts) WITH ORDINALITY AS s) AS f;
  PERFORM 1 FROM threads t WHERE t.id = ANY (thread_ids) ORDER BY t.id FOR NO KEY UPDATE;

  -- All messages to idle threads together, the first one of each thread.
  WITH starting AS (
    SELECT DISTINCT ON (s.found_id) s.*
    FROM ROWS FROM (unnest(p_starts), unnest(thread_ids)) WITH ORDINALITY
           AS s (id, thread_id, tenant_id, owner, human, key_id, conversation_key, caller, request_id, setup, body, tokens,
                 idempotency_owner, idempotency_key, request_hash, found_id, place)
    WHERE s.tenant_id = ANY (v_known_ids) AND s.place <> ALL (v_judged)
      AND NOT EXISTS (SELECT FROM runs r WHERE r.thread_id::text = s.found_id::text AND r.status IN ('RUNNING', 'ACTION')
                      OFFSET 0)
    ORDER BY s.found_id, s.place
  ), counted AS (
    UPDATE threads t SET run_count = t.run_count + 1, updated_at = clock_timestamp()
      FROM starting AS s WHERE t.id = ANY (ARRAY[s.found_id])
      RETURNING s.*, t.run_count AS run_no
  ), begun AS (
    INSERT INTO runs (id, tenant_id, thread_id, run_no, status, lease_id, caller, human_id, request_id, setup)
      SELECT c.id, c.tenant_id, c.found_id, c.run_no, 'RUNNING', p_lease_id, c.caller,
             (SELECT h.id FROM humans h WHERE h.tenant_id = c.tenant_id AND h.human = c.human), c.request_id, c.setup
      FROM counted AS c
  ), said AS (
    INSERT INTO thread_messages (run_id, n, tenant_id, thread_id, run_no, role, body, tokens)
      SELECT c.id, 0, c.tenant_id, c.found_id, c.run_no, 'user', c.body, c.tokens FROM counted AS c
  )
  SELECT coalesce(array_agg(c.place), '{}') INTO v_started FROM counted AS c;

  FOR i IN 1 .. cardinality(p_starts) LOOP
    CONTINUE WHEN i = ANY (v_judged);
    IF i = ANY (v_started) THEN
      verdicts[i] := 'running';
      CONTINUE;
    END IF;
    v_start := p_starts[i];
    IF v_start.tenant_id <> ALL (v_known_ids) THEN
      verdicts[i] := 'gone';
      CONTINUE;
    END IF;
    SELECT t.interrupt_policy INTO v_policy FROM threads t WHERE t.id = thread_ids[i];
    IF NOT FOUND THEN
      verdicts[i] := 'again';
      CONTINUE;
    END IF;
    SELECT r.id, r.status INTO v_live_id, v_live_status FROM runs r
      WHERE r.thread_id::text = thread_ids[i]::text AND r.status IN ('RUNNING', 'ACTION');
    v_status := CASE WHEN FOUND THEN 'WAITING' ELSE 'RUNNING' END;
    IF v_status = 'WAITING' AND v_policy = 'REJECT' THEN
      verdicts[i] := 'busy';
      CONTINUE;
    ELSIF v_status = 'WAITING' AND v_policy = 'QUEUE' THEN
      IF (SELECT count(*) FROM runs r WHERE r.thread_id::text = thread_ids[i]::text AND r.status = 'WAITING') >= p_most_waiting THEN
        verdicts[i] := 'full';
        CONTINUE;
      END IF;
    ELSIF v_status = 'WAITING' THEN
      UPDATE runs r SET status = 'CANCELLED', ended_at = clock_timestamp()
        WHERE r.thread_id::text = thread_ids[i]::text AND r.status = 'WAITING';
      IF v_live_status = 'ACTION' THEN
        UPDATE runs r SET status = 'CANCELLED', ended_at = clock_timestamp() WHERE r.id = v_live_id;
        v_status := 'RUNNING';
      ELSE
        UPDATE runs r SET cancel_requested = true WHERE r.id = v_live_id;
      END IF;
    END IF;
    UPDATE threads t SET run_count = t.run_count + 1, updated_at = clock_timestamp()
      WHERE t.id = thread_ids[i] RETURNING t.run_count INTO v_run_no;
    INSERT INTO runs (id, tenant_id, thread_id, run_no, status, lease_id, caller, human_id, request_id, setup)
      VALUES (v_start.id, v_start.tenant_id, thread_ids[i], v_run_no, v_status,
              CASE WHEN v_status = 'RUNNING' THEN p_lease_id END, v_start.caller,
              (SELECT h.id FROM humans h WHERE h.tenant_id = v_start.tenant_id AND h.human = v_start.human),
              v_start.request_id, v_start.setup);
    INSERT INTO thread_messages (run_id, n, tenant_id, thread_id, run_no, role, body, tokens)
      VALUES (v_start.id, 0, v_start.tenant_id, thread_ids[i], v_run_no, 'user', v_start.body, v_start.tokens);
    verdicts[i] := lower(v_status);
  END LOOP;
  IF v_keyed THEN
    -- A refused message leaves nothing behind, and may be sent again.
    FOR i IN 1 .. cardinality(p_starts) LOOP
      v_start := p_starts[i];
      CONTINUE WHEN v_start.idempotency_key IS NULL OR i = ANY (v_judged) OR verdicts[i] = 'gone';
      IF verdicts[i] IN ('running', 'waiting') THEN
        PERFORM finish_idempotency_key(v_start.idempotency_owner, v_start.idempotency_key, NULL,
                                       jsonb_build_object('runId', v_start.id, 'status', 'RUNNING'));
      ELSE
        DELETE FROM idempotency_keys k WHERE k.owner = v_start.idempotency_owner AND k.key = v_start.idempotency_key;
      END IF;
    END LOOP;
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION begin_runs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_runs TO gatehouse_app;
ALTER FUNCTION begin_runs OWNER TO gatehouse_definer;
