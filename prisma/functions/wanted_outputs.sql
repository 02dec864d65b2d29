-- The output tokens that each call wants under a budget: its caller's limit, else the default of its key or tenant for each of
-- its choices, else its own default; at most what its model makes.
CREATE OR REPLACE FUNCTION wanted_outputs(p_calls admission[]) RETURNS bigint[]
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  SET enable_material = off
  AS $$
    SELECT array_agg(CASE
      WHEN c.default_output IS NULL THEN c.output_tokens
      ELSE least(c.most_output, coalesce(c.choices * coalesce(
        (SELECT k.default_output_tokens FROM api_keys k WHERE k.tenant_id = c.tenant_id AND k.id = c.key_id),
        (SELECT t.default_output_tokens FROM tenants t WHERE t.id = c.tenant_id)), c.default_output)) END ORDER BY c.ordinality)
    FROM unnest(p_calls) WITH ORDINALITY AS c
  $$;

REVOKE EXECUTE ON FUNCTION wanted_outputs FROM PUBLIC;
ALTER FUNCTION wanted_outputs OWNER TO gatehouse_definer;
