-- Every replica forgets a data key when its tenant is deleted. A rewrap changes nothing that a replica keeps.
CREATE OR REPLACE FUNCTION announce_tenant_data_key() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'tenant-data-key:' || OLD.tenant_id);
  RETURN NULL;
END
$$;

CREATE TRIGGER announce_change AFTER DELETE OR UPDATE OF id, tenant_id ON tenant_data_keys
  FOR EACH ROW EXECUTE FUNCTION announce_tenant_data_key();

REVOKE EXECUTE ON FUNCTION announce_tenant_data_key FROM PUBLIC;
