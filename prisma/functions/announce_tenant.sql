-- Memberships are cached by tenant, so a deleted tenant's are dropped from the caches.
CREATE OR REPLACE FUNCTION announce_tenant() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'membership:' || m.org_id || ':' || m.user_id)
    FROM memberships m WHERE m.org_id = OLD.org_id;
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_change AFTER DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION announce_tenant();

REVOKE EXECUTE ON FUNCTION announce_tenant FROM PUBLIC;
ALTER FUNCTION announce_tenant OWNER TO gatehouse_definer;
