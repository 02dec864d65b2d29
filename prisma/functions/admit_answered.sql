-- Admits calls whose answers are known already (a gateway keeps them), and settles them in the same transaction:
-- each is one request, of no tokens and no cost. Parameters and results are those of admit_usage;
-- `p_latencies_ms`: how long each call took.
CREATE OR REPLACE FUNCTION admit_answered(p_lease_id uuid, p_calls admission[], p_latencies_ms integer[], p_again boolean,
                                          p_wait boolean, OUT alive boolean, OUT verdicts text[], OUT granted bigint[],
                                          OUT blamed jsonb, OUT rooms text[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET lock_timeout = '100ms'
  AS $$
DECLARE
  v_settled settlement[];
BEGIN
  SELECT a.alive, a.verdicts, a.granted, a.blamed, a.rooms INTO alive, verdicts, granted, blamed, rooms
    FROM admit_usage(p_lease_id, p_calls, p_again, p_wait) AS a;
  IF NOT alive THEN
    RETURN;
  END IF;
  v_settled := ARRAY(
    SELECT ROW(c.id, c.tenant_id, 'OK', 200, 1, 0, 0, 0, 0, false, p_latencies_ms[c.ordinality], 0, 0)::settlement
    FROM unnest(p_calls) WITH ORDINALITY AS c WHERE verdicts[c.ordinality] IS NULL);
  IF cardinality(v_settled) > 0 THEN
    -- This transaction has already locked the budgets, and no other one has these records.
    PERFORM settle_usage(v_settled, true);
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION admit_answered FROM PUBLIC;
GRANT EXECUTE ON FUNCTION admit_answered TO gatehouse_app;
ALTER FUNCTION admit_answered OWNER TO gatehouse_definer;
