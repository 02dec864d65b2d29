-- Stores the owner of a response that a provider keeps: `p_owner`, or the human of this name. A second call updates the
-- response's size. Writes nothing if the human was erased meanwhile, and never changes another owner's row.
CREATE OR REPLACE FUNCTION keep_response(p_tenant_id text, p_response_hash bytea, p_owner text, p_human text,
                                         p_provider_id text, p_model text, p_tokens integer) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    INSERT INTO llm_responses AS r (tenant_id, response_hash, owner, provider_id, model, tokens)
    SELECT p_tenant_id, p_response_hash, o.owner, p_provider_id, p_model, p_tokens
    FROM (SELECT coalesce(p_owner, 'human:' || (
      SELECT h.id FROM humans h WHERE h.tenant_id = p_tenant_id AND h.human = p_human)) AS owner) AS o
    WHERE o.owner IS NOT NULL
    ON CONFLICT (tenant_id, response_hash) DO UPDATE SET tokens = excluded.tokens
      WHERE r.owner = excluded.owner AND r.provider_id IS NOT DISTINCT FROM excluded.provider_id
  $$;

REVOKE EXECUTE ON FUNCTION keep_response FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_response TO gatehouse_app;
ALTER FUNCTION keep_response OWNER TO gatehouse_definer;
