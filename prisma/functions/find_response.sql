-- The provider that keeps a response of this owner, with the response's model and size; no row: unknown, or another owner's.
CREATE OR REPLACE FUNCTION find_response(p_tenant_id text, p_response_hash bytea, p_owner text, p_human text)
  RETURNS TABLE (provider_id text, model text, tokens integer)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT r.provider_id, r.model, r.tokens FROM llm_responses r
    WHERE r.tenant_id = p_tenant_id AND r.response_hash = p_response_hash
      AND r.owner = coalesce(p_owner, 'human:' || (
        SELECT h.id FROM humans h WHERE h.tenant_id = p_tenant_id AND h.human = p_human))
  $$;

REVOKE EXECUTE ON FUNCTION find_response FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_response TO gatehouse_app;
ALTER FUNCTION find_response OWNER TO gatehouse_definer;
