-- Deletes a tenant's response that its provider no longer keeps.
CREATE OR REPLACE FUNCTION forget_response(p_tenant_id text, p_response_hash bytea) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    DELETE FROM llm_responses WHERE tenant_id = p_tenant_id AND response_hash = p_response_hash
  $$;

REVOKE EXECUTE ON FUNCTION forget_response FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_response TO gatehouse_app;
ALTER FUNCTION forget_response OWNER TO gatehouse_definer;
