-- Announces a changed membership to every replica, in the transaction that changes it.
CREATE OR REPLACE FUNCTION announce_membership() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'membership:' || OLD.org_id || ':' || OLD.user_id);
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_change
  AFTER DELETE OR UPDATE ON memberships
  FOR EACH ROW EXECUTE FUNCTION announce_membership();

REVOKE EXECUTE ON FUNCTION announce_membership FROM PUBLIC;
