-- Announces a tenant's changed model override, so that it counts on every replica at once. The payload is `<topic>:<tag>`.
CREATE OR REPLACE FUNCTION announce_model_override() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'model-overrides:' || coalesce(NEW.tenant_id, OLD.tenant_id));
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_change AFTER INSERT OR DELETE OR UPDATE ON llm_model_overrides
  FOR EACH ROW EXECUTE FUNCTION announce_model_override();

REVOKE EXECUTE ON FUNCTION announce_model_override FROM PUBLIC;
