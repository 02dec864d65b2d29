-- Announces a token that ended, or whose end was moved, to every replica, in the same transaction.
CREATE OR REPLACE FUNCTION announce_gateway_token() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'gateway-token:' || OLD.id);
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_change AFTER DELETE OR UPDATE OF expires_at ON gateway_tokens
  FOR EACH ROW EXECUTE FUNCTION announce_gateway_token();

REVOKE EXECUTE ON FUNCTION announce_gateway_token FROM PUBLIC;
