-- Counts requests by sealed access tokens, many at once. A quota row has three windows: a minute, an hour, a day. Each opens
-- with the first counted request after the last one ended, by this database's clock.
--
-- `p_tenant_ids`, `p_holders`: the rows, each once, sorted alike by every caller, so that two batches lock them in one order. A
-- group is the requests with the same rows: how many (`p_counts`), which rows (`p_rows`: four places in the list from 1, 0 for
-- none), and their limits (`p_limits`: twelve, three for each row, in the order in which refusals name them).
--
-- `granted` how many of a group's requests pass: each must pass all its limits, and is then counted by all; a refused one by
--           none. -1: the tenant is gone.
-- `blamed`  the place of the limit that refused the first request that does not pass; null: all pass
-- `resets_in_ms` until that window ends
--
-- The answer does not wait for the disk: a crash of Postgres loses at most the last moments.
CREATE OR REPLACE FUNCTION take_sealed_quotas(p_tenant_ids text[], p_holders text[], p_counts integer[], p_rows integer[],
                                              p_limits integer[],
                                              OUT granted integer[], OUT blamed integer[], OUT resets_in_ms bigint[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
DECLARE
  v_lengths CONSTANT interval[] := ARRAY[interval '1 minute', interval '1 hour', interval '1 day'];
  v_count CONSTANT integer := cardinality(p_holders);
  v_now timestamptz;
  v_used integer[];
  v_ends timestamptz[];
  v_found integer;
  v_tries integer := 0;
  v_any boolean := false;
  v_least integer;
  v_left integer;
  v_blamed integer;
  v_row integer;
  v_window integer;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  LOOP
    SELECT count(*), array_agg(l.used ORDER BY l.place), array_agg(l.ends_at ORDER BY l.place)
      INTO v_found, v_used, v_ends
      FROM (
        SELECT a.place, q.used, q.ends_at
        FROM unnest(p_tenant_ids, p_holders) WITH ORDINALITY AS a (tenant_id, holder, place)
        JOIN sealed_quotas q ON q.tenant_id = ANY (ARRAY[a.tenant_id]) AND q.holder = ANY (ARRAY[a.holder])
        ORDER BY a.place FOR NO KEY UPDATE OF q) AS l;
    EXIT WHEN v_found = v_count;
    v_tries := v_tries + 1;
    -- The tenant is gone: each caller gets this answer.
    IF v_tries > 3 THEN
      granted := array_fill(-1, ARRAY[cardinality(p_counts)]);
      RETURN;
    END IF;
    INSERT INTO sealed_quotas (tenant_id, holder, used, ends_at)
      SELECT t.id, a.holder, '{0,0,0}', '{-infinity,-infinity,-infinity}'
      FROM unnest(p_tenant_ids, p_holders) WITH ORDINALITY AS a (tenant_id, holder, place)
      JOIN tenants t ON t.id = ANY (ARRAY[a.tenant_id])
      ORDER BY a.place
      ON CONFLICT DO NOTHING;
  END LOOP;
  v_now := clock_timestamp();

  FOR g IN 1 .. cardinality(p_counts) LOOP
    v_least := p_counts[g];
    v_blamed := NULL;
    FOR i IN 1 .. 12 LOOP
      v_row := p_rows[(g - 1) * 4 + (i + 2) / 3];
      CONTINUE WHEN v_row = 0;
      v_window := (i - 1) % 3 + 1;
      v_left := greatest(0, p_limits[(g - 1) * 12 + i]
        - CASE WHEN v_ends[v_row][v_window] > v_now THEN v_used[v_row][v_window] ELSE 0 END);
      IF v_left < v_least THEN
        v_least := v_left;
        v_blamed := i;
      END IF;
    END LOOP;
    granted[g] := v_least;
    blamed[g] := v_blamed;
    IF v_least > 0 THEN
      v_any := true;
      FOR i IN 1 .. 12 LOOP
        v_row := p_rows[(g - 1) * 4 + (i + 2) / 3];
        CONTINUE WHEN v_row = 0;
        v_window := (i - 1) % 3 + 1;
        IF v_ends[v_row][v_window] > v_now THEN
          v_used[v_row][v_window] := v_used[v_row][v_window] + v_least;
        ELSE
          v_used[v_row][v_window] := v_least;
          v_ends[v_row][v_window] := v_now + v_lengths[v_window];
        END IF;
      END LOOP;
    END IF;
    IF v_blamed IS NOT NULL THEN
      v_row := p_rows[(g - 1) * 4 + (v_blamed + 2) / 3];
      resets_in_ms[g] := ceil(extract(epoch FROM v_ends[v_row][(v_blamed - 1) % 3 + 1] - v_now) * 1000);
    END IF;
  END LOOP;

  IF v_any THEN
    UPDATE sealed_quotas q
      SET used = ARRAY[v_used[a.place][1], v_used[a.place][2], v_used[a.place][3]],
          ends_at = ARRAY[v_ends[a.place][1], v_ends[a.place][2], v_ends[a.place][3]]
      FROM unnest(p_tenant_ids, p_holders) WITH ORDINALITY AS a (tenant_id, holder, place)
      WHERE q.tenant_id = ANY (ARRAY[a.tenant_id]) AND q.holder = ANY (ARRAY[a.holder]);
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION take_sealed_quotas FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_sealed_quotas TO gatehouse_app;
ALTER FUNCTION take_sealed_quotas OWNER TO gatehouse_definer;
