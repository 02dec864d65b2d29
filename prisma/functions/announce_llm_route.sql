-- Announces a change of a tenant's routes to every replica, in the same transaction. A new route too, since replicas also cache
-- that a tenant has none. A change of the targets alone moves the route's `updated_at`.
CREATE OR REPLACE FUNCTION announce_llm_route() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'llm-routes:' || COALESCE(NEW.tenant_id, OLD.tenant_id));
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_change AFTER INSERT OR UPDATE OR DELETE ON llm_routes
  FOR EACH ROW EXECUTE FUNCTION announce_llm_route();

REVOKE EXECUTE ON FUNCTION announce_llm_route FROM PUBLIC;
