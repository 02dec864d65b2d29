-- A usage token that is not revoked, and whose key is not either: at most one row. It ends with the key if that ends first.
CREATE OR REPLACE FUNCTION find_usage_token(p_id text)
  RETURNS TABLE (id text, tenant_id text, key_id text, human_id text, human text, scopes text[],
                 requests_per_minute_per_human integer, expires_at timestamptz, expired boolean)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT u.id, u.tenant_id, u.key_id, u.human_id, h.human, k.scopes, k.requests_per_minute_per_human,
           least(u.expires_at, k.expires_at), least(u.expires_at, k.expires_at) <= clock_timestamp()
    FROM usage_tokens u
    JOIN api_keys k ON k.tenant_id = u.tenant_id AND k.id = u.key_id AND k.revoked_at IS NULL
    JOIN humans h ON h.tenant_id = u.tenant_id AND h.id = u.human_id
    WHERE u.id = p_id AND u.revoked_at IS NULL
  $$;

REVOKE EXECUTE ON FUNCTION find_usage_token FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_usage_token TO gatehouse_app;
ALTER FUNCTION find_usage_token OWNER TO gatehouse_definer;
