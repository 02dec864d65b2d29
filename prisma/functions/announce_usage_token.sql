-- Replicas cache tokens by human and by key; a change of a key announces itself. A token that had ended is not cached, so that
-- pruning it announces nothing.
CREATE OR REPLACE FUNCTION announce_usage_token() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'usage-token:' || OLD.human_id);
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_change
  AFTER DELETE OR UPDATE OF expires_at, revoked_at ON usage_tokens
  FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND OLD.expires_at > clock_timestamp() - interval '1 minute')
  EXECUTE FUNCTION announce_usage_token();

REVOKE EXECUTE ON FUNCTION announce_usage_token FROM PUBLIC;
