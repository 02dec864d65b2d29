-- One row if an opened sealed access token is still good. `expires_at`: the end of the key that made it; null: no key made
-- it, or one without an end.
CREATE OR REPLACE FUNCTION find_sealed_token(p_tenant_id text, p_key_id text, p_token_hash text, p_issued_at timestamptz)
  RETURNS TABLE (expires_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT k.expires_at
    FROM tenants t
    LEFT JOIN api_keys k ON k.tenant_id = t.id AND k.id = p_key_id AND k.type = 'SECRET' AND k.revoked_at IS NULL
      AND (k.expires_at > clock_timestamp()) IS NOT FALSE AND 'chat:write' = ANY (k.scopes)
    WHERE t.id = p_tenant_id AND (p_key_id IS NULL OR k.id IS NOT NULL)
      AND NOT EXISTS (SELECT FROM sealed_revocations r WHERE r.token_hash = p_token_hash)
      AND NOT EXISTS (SELECT FROM sealed_revocations r WHERE r.issued_before > p_issued_at)
  $$;

REVOKE EXECUTE ON FUNCTION find_sealed_token FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_sealed_token TO gatehouse_app;
ALTER FUNCTION find_sealed_token OWNER TO gatehouse_definer;
