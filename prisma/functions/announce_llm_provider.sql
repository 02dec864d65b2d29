-- Announces a change of a tenant's providers to every replica, in the same transaction. A new provider too, since replicas also
-- cache that a tenant has none.
CREATE OR REPLACE FUNCTION announce_llm_provider() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'llm-providers:' || COALESCE(NEW.tenant_id, OLD.tenant_id));
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_change AFTER INSERT OR UPDATE OR DELETE ON llm_providers
  FOR EACH ROW EXECUTE FUNCTION announce_llm_provider();

REVOKE EXECUTE ON FUNCTION announce_llm_provider FROM PUBLIC;
