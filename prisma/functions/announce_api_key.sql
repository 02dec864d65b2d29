-- Announces a changed credential to every replica, in the transaction that changes it. The payload is `<topic>:<tag>`. The
-- trigger's columns are those that a cached key holds; `last_used_at` is not among them, so that use announces nothing.
CREATE OR REPLACE FUNCTION announce_api_key() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'api-key:' || OLD.id);
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_change
  AFTER DELETE OR UPDATE OF hash, scopes, requests_per_minute, requests_per_minute_per_human, expires_at, revoked_at, models,
    tenant_id, type, allowed_origins, oidc_issuer, oidc_audience, oidc_jwks_uri, human_prefix ON api_keys
  FOR EACH ROW EXECUTE FUNCTION announce_api_key();

REVOKE EXECUTE ON FUNCTION announce_api_key FROM PUBLIC;
