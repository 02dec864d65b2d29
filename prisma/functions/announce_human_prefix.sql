-- A cached publishable key holds the prefixes of its tenant's other issuers: a new or removed prefix
-- concerns all the tenant's keys.
CREATE OR REPLACE FUNCTION announce_human_prefix() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'api-key:' || k.id) FROM api_keys k
    WHERE k.tenant_id = NEW.tenant_id AND k.type = 'PUBLISHABLE' AND k.id <> NEW.id;
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_human_prefix
  AFTER INSERT OR UPDATE OF human_prefix, revoked_at ON api_keys
  FOR EACH ROW WHEN (NEW.type = 'PUBLISHABLE') EXECUTE FUNCTION announce_human_prefix();

REVOKE EXECUTE ON FUNCTION announce_human_prefix FROM PUBLIC;
ALTER FUNCTION announce_human_prefix OWNER TO gatehouse_definer;
