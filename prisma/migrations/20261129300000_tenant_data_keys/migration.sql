-- One data key for each tenant, encrypted under an encryption key of the operator's. What a tenant's rows hold encrypted is
-- encrypted under it, so that a new encryption key costs one row for each tenant. It goes with its tenant: what is left of
-- the tenant in a backup of another place can then be read by nobody. The app reads and adds keys by functions alone.
CREATE TABLE tenant_data_keys (
  tenant_id   text PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  id          uuid NOT NULL,
  envelope    bytea NOT NULL,
  key_version integer NOT NULL,
  created_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX tenant_data_keys_key_version_idx ON tenant_data_keys (key_version);

ALTER TABLE tenant_data_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_data_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON tenant_data_keys TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON tenant_data_keys TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, UPDATE (envelope, key_version) ON tenant_data_keys TO gatehouse_definer;
