-- A change of a gateway tells every replica, in the transaction that makes it. A gateway that is new is cached nowhere.
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
