-- A change of a tenant's routes tells every replica, in the transaction that makes it: a new one too, since replicas keep
-- that a tenant has none. A change of the targets alone is a change of the route, whose `updated_at` moves with it.
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
