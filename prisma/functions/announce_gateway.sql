-- Announces a changed gateway to every replica, in the transaction that changes it. A new gateway is not cached yet.
CREATE OR REPLACE FUNCTION announce_gateway() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'gateway:' || OLD.id);
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_change AFTER UPDATE OR DELETE ON gateways
  FOR EACH ROW EXECUTE FUNCTION announce_gateway();

REVOKE EXECUTE ON FUNCTION announce_gateway FROM PUBLIC;
