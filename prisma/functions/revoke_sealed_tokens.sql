-- Revokes one sealed access token by the hash of its `jti`, or all that were issued before a moment. For the operator. At the
-- commit replicas forget the sealed tokens that they cache.
CREATE OR REPLACE FUNCTION revoke_sealed_tokens(p_id uuid, p_token_hash text, p_issued_before timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  INSERT INTO sealed_revocations (id, token_hash, issued_before) VALUES (p_id, p_token_hash, p_issued_before);
  PERFORM pg_notify('gatehouse_revoked', 'sealed-token:all');
END
$$;

REVOKE EXECUTE ON FUNCTION revoke_sealed_tokens FROM PUBLIC;
GRANT EXECUTE ON FUNCTION revoke_sealed_tokens TO gatehouse_app;
ALTER FUNCTION revoke_sealed_tokens OWNER TO gatehouse_definer;
