-- Hands due claim writes to one worker: each comes back later (backing off to an hour) unless it is done by then.
CREATE OR REPLACE FUNCTION take_claim_writes(p_limit integer) RETURNS TABLE (id uuid, user_id text, claims jsonb, attempts integer)
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE claim_writes w
    SET attempts = w.attempts + 1,
        next_attempt_at = clock_timestamp() + least(interval '1 hour', interval '5 seconds' * power(2, least(w.attempts, 10)))
    FROM (SELECT c.id FROM claim_writes c WHERE c.next_attempt_at <= clock_timestamp()
          ORDER BY c.next_attempt_at LIMIT p_limit FOR UPDATE SKIP LOCKED) AS due
    WHERE w.id = due.id
    RETURNING w.id, w.user_id, w.claims, w.attempts
  $$;

REVOKE EXECUTE ON FUNCTION take_claim_writes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_claim_writes TO gatehouse_app;
ALTER FUNCTION take_claim_writes OWNER TO gatehouse_definer;
