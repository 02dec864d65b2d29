-- Finds a credential, by one hash for each pepper in use; always one row. Without a good secret the row is empty but for
-- `expired`. A retired secret ends with its grace, or earlier with its key.
--
-- Unknown, revoked and expired secrets are refused by the same path: for each hash, the first secret at or after it is read,
-- which exists for an unknown hash too, and then that secret's key.
--
-- The sub-select hides the hashes from the planner, which then keeps one plan: planning each call would take several times as
-- long as the call, and a time that depends on the hash.
CREATE OR REPLACE FUNCTION find_api_key(p_hashes bytea[])
  RETURNS TABLE (id text, tenant_id text, type text, hash bytea, pepper_version integer, scopes text[],
                 requests_per_minute integer, requests_per_minute_per_human integer, expires_at timestamptz,
                 expired boolean, allowed_origins text[], oidc_issuer text, oidc_audience text, oidc_jwks_uri text,
                 human_prefix text, other_human_prefixes text[])
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT live.id, live.tenant_id, live.type, live.secret_hash, live.secret_pepper_version, live.scopes,
           live.requests_per_minute, live.requests_per_minute_per_human, live.ends_at,
           CASE WHEN secret.found AND k.revoked_at IS NULL THEN secret.ends_at <= now() END, live.allowed_origins,
           live.oidc_issuer, live.oidc_audience, live.oidc_jwks_uri, live.human_prefix,
           CASE WHEN live.type = 'PUBLISHABLE' THEN ARRAY(
             SELECT DISTINCT o.human_prefix FROM api_keys o
             WHERE o.tenant_id = live.tenant_id AND o.type = 'PUBLISHABLE'
               AND o.human_prefix <> '' AND o.human_prefix <> live.human_prefix) END
    FROM (VALUES (1)) AS always (row)
    LEFT JOIN unnest((SELECT p_hashes)) AS presented (hash) ON true
    LEFT JOIN LATERAL (
      SELECT a.id, a.hash, a.pepper_version FROM api_keys a
      WHERE a.hash >= presented.hash ORDER BY a.hash LIMIT 1
    ) AS c ON true
    LEFT JOIN LATERAL (
      SELECT s.key_id, s.hash, s.pepper_version, s.expires_at FROM api_key_retired_secrets s
      WHERE s.hash >= presented.hash ORDER BY s.hash LIMIT 1
    ) AS r ON true
    LEFT JOIN api_keys k ON k.id = CASE WHEN r.hash = presented.hash THEN r.key_id ELSE c.id END
    CROSS JOIN LATERAL (
      SELECT c.hash = presented.hash OR r.hash = presented.hash AS found,
             CASE WHEN r.hash = presented.hash THEN least(k.expires_at, r.expires_at) ELSE k.expires_at END AS ends_at
    ) AS secret
    LEFT JOIN LATERAL (
      SELECT k.*, secret.ends_at, presented.hash AS secret_hash,
             CASE WHEN r.hash = presented.hash THEN r.pepper_version ELSE c.pepper_version END AS secret_pepper_version
      WHERE secret.found AND k.revoked_at IS NULL AND (secret.ends_at <= now()) IS NOT TRUE
    ) AS live ON true
    ORDER BY secret.found DESC NULLS LAST
    LIMIT 1
  $$;

REVOKE EXECUTE ON FUNCTION find_api_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_api_key TO gatehouse_app;
ALTER FUNCTION find_api_key OWNER TO gatehouse_definer;
