-- Deletes responses after thirty days, which is how long OpenAI keeps them. Returns how many; `p_limit`: there may be more.
CREATE OR REPLACE FUNCTION prune_responses(p_limit integer) RETURNS integer
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    WITH pruned AS (
      DELETE FROM llm_responses r USING (
        SELECT o.tenant_id, o.response_hash FROM llm_responses o
        WHERE o.created_at < clock_timestamp() - interval '30 days'
        ORDER BY o.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED) AS old
      WHERE r.tenant_id = old.tenant_id AND r.response_hash = old.response_hash
      RETURNING 1)
    SELECT count(*)::integer FROM pruned
  $$;

REVOKE EXECUTE ON FUNCTION prune_responses FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_responses TO gatehouse_app;
ALTER FUNCTION prune_responses OWNER TO gatehouse_definer;
