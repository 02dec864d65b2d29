-- Loads the caller's runs to start them: their callers, the threads' settings, and the newest messages up to the run's own,
-- newest first, within `p_most_bytes` and `p_most_messages`. `total`: how many messages there are in all. `human`: null if the
-- human was erased; `may`: whether the key, token or person behind the run is still good.
CREATE OR REPLACE FUNCTION load_runs(p_lease_id uuid, p_ids uuid[], p_most_bytes bigint, p_most_messages integer)
  RETURNS TABLE (id uuid, tenant_id text, thread_id uuid, caller jsonb, is_for_human boolean, human text, may boolean,
                 request_id text, setup bytea, step smallint, thread_setup bytea, model text, temperature double precision,
                 max_tokens integer, total integer, message_ids text[], roles text[], tokens integer[], bodies bytea[])
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
    SELECT r.id, r.tenant_id, r.thread_id, r.caller, r.human_id IS NOT NULL, h.human,
           CASE WHEN r.caller ? 'tokenId' THEN EXISTS (
                  SELECT FROM usage_tokens u WHERE u.id = r.caller ->> 'tokenId' AND u.revoked_at IS NULL
                    AND u.expires_at > clock_timestamp())
                ELSE true END
           AND CASE WHEN r.caller ? 'keyId' THEN EXISTS (
                  SELECT FROM api_keys k WHERE k.id = r.caller ->> 'keyId' AND k.revoked_at IS NULL
                    AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp()))
                ELSE EXISTS (
                  SELECT FROM memberships s JOIN tenants t ON t.org_id = s.org_id
                  WHERE s.user_id = r.caller ->> 'userId' AND t.id = r.tenant_id) END,
           r.request_id, r.setup, r.step, t.setup, t.model, t.temperature, t.max_tokens,
           (SELECT count(*)::integer FROM thread_messages c WHERE c.thread_id = r.thread_id AND c.run_no <= r.run_no),
           m.message_ids, m.roles, m.tokens, m.bodies
    FROM unnest(p_ids) AS p (id)
    JOIN runs r ON r.id = ANY (ARRAY[p.id]) AND r.lease_id IS NOT DISTINCT FROM p_lease_id
    JOIN threads t ON t.id = ANY (ARRAY[r.thread_id])
    LEFT JOIN humans h ON h.id = r.human_id AND h.tenant_id = r.tenant_id
    CROSS JOIN LATERAL (
      SELECT array_agg(b.run_id || '.' || b.n ORDER BY b.run_no DESC, b.n DESC) AS message_ids,
             array_agg(b.role ORDER BY b.run_no DESC, b.n DESC) AS roles,
             array_agg(b.tokens ORDER BY b.run_no DESC, b.n DESC) AS tokens,
             array_agg(b.body ORDER BY b.run_no DESC, b.n DESC) AS bodies
      FROM (SELECT n.*, sum(length(n.body)) OVER (ORDER BY n.run_no DESC, n.n DESC) AS bytes
            FROM (SELECT x.* FROM thread_messages x WHERE x.thread_id = r.thread_id AND x.run_no <= r.run_no
                  ORDER BY x.run_no DESC, x.n DESC LIMIT p_most_messages) AS n) AS b
      WHERE b.bytes <= p_most_bytes OR b.run_no = r.run_no) AS m
  $$;

REVOKE EXECUTE ON FUNCTION load_runs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION load_runs TO gatehouse_app;
ALTER FUNCTION load_runs OWNER TO gatehouse_definer;
