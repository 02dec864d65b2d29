-- Secrets that are not encrypted under the newest key.
CREATE OR REPLACE FUNCTION find_webhook_secrets_to_rewrap(p_key_version integer, p_after uuid, p_limit integer)
  RETURNS TABLE (id uuid, tenant_id text, envelope bytea)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT s.id, s.tenant_id, s.envelope FROM webhook_secrets s
    WHERE s.key_version <> p_key_version AND s.id > p_after ORDER BY s.id LIMIT p_limit
  $$;

REVOKE EXECUTE ON FUNCTION find_webhook_secrets_to_rewrap FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_webhook_secrets_to_rewrap TO gatehouse_app;
ALTER FUNCTION find_webhook_secrets_to_rewrap OWNER TO gatehouse_definer;
