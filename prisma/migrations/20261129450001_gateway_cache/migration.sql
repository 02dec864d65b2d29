-- Answers that gateways keep, encrypted. `key`: a keyed hash of the request; `bytes`: what an entry takes of the gateway's room.
CREATE TABLE gateway_cache_entries (
  tenant_id  text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  gateway_id text NOT NULL,
  key        bytea NOT NULL,
  answer     bytea NOT NULL,
  bytes      integer NOT NULL CHECK (bytes > 0),
  created_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3) NOT NULL,
  PRIMARY KEY (tenant_id, gateway_id, key),
  FOREIGN KEY (tenant_id, gateway_id) REFERENCES gateways (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX gateway_cache_entries_tenant_id_gateway_id_created_at_idx
  ON gateway_cache_entries (tenant_id, gateway_id, created_at);
CREATE INDEX gateway_cache_entries_expires_at_idx ON gateway_cache_entries (expires_at);

ALTER TABLE gateway_cache_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_cache_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON gateway_cache_entries TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON gateway_cache_entries TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, UPDATE, DELETE ON gateway_cache_entries TO gatehouse_definer;

-- To keep an answer locks its gateway, which Postgres allows to who may change something of it.
GRANT UPDATE (updated_at) ON gateways TO gatehouse_definer;

-- How many bytes a gateway's answers take; counted, since a sum would read them all with each answer.
CREATE TABLE gateway_cache_sizes (
  tenant_id  text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  gateway_id text NOT NULL,
  bytes      bigint NOT NULL,
  PRIMARY KEY (tenant_id, gateway_id),
  FOREIGN KEY (tenant_id, gateway_id) REFERENCES gateways (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);

ALTER TABLE gateway_cache_sizes ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_cache_sizes FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON gateway_cache_sizes TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON gateway_cache_sizes TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, UPDATE ON gateway_cache_sizes TO gatehouse_definer;

-- Bodies of calls, encrypted, where the gateway says that they are kept. `id` is the call's in the ledger, which has no foreign keys.
CREATE TABLE gateway_call_bodies (
  id         uuid PRIMARY KEY,
  tenant_id  text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  gateway_id text NOT NULL,
  request    bytea NOT NULL,
  response   bytea,
  expires_at timestamptz(3) NOT NULL,
  FOREIGN KEY (tenant_id, gateway_id) REFERENCES gateways (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX gateway_call_bodies_tenant_id_gateway_id_idx ON gateway_call_bodies (tenant_id, gateway_id);
CREATE INDEX gateway_call_bodies_expires_at_idx ON gateway_call_bodies (expires_at);

ALTER TABLE gateway_call_bodies ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_call_bodies FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON gateway_call_bodies TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON gateway_call_bodies TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT ON gateway_call_bodies TO gatehouse_app;
GRANT SELECT, INSERT, DELETE ON gateway_call_bodies TO gatehouse_definer;

-- The log of one gateway's calls, newest first.
CREATE INDEX usage_records_tenant_id_gateway_id_created_at_id_idx
  ON usage_records (tenant_id, gateway_id, created_at DESC, id DESC) WHERE gateway_id IS NOT NULL;
