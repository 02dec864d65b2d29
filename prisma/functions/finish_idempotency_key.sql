-- Keeps the answer of the request that claimed the key; `p_tenant_id`: set if the request created its tenant.
CREATE OR REPLACE FUNCTION finish_idempotency_key(p_owner text, p_key text, p_tenant_id text, p_response jsonb) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE idempotency_keys SET response = p_response, tenant_id = coalesce(p_tenant_id, tenant_id)
    WHERE owner = p_owner AND key = p_key
  $$;

REVOKE EXECUTE ON FUNCTION finish_idempotency_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION finish_idempotency_key TO gatehouse_app;
ALTER FUNCTION finish_idempotency_key OWNER TO gatehouse_definer;
