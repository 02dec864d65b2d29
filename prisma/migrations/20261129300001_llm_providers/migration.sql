-- Model providers that tenants set up. `credentials` is encrypted under the tenant's data key, bound to the row, its kind and
-- its address; null: the provider needs none. `revision` grows with each change, so that a replica knows what it has built.
CREATE TABLE llm_providers (
  id                 text PRIMARY KEY,
  tenant_id          text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  name               text NOT NULL,
  kind               text NOT NULL,
  base_url           text,
  models             text[] NOT NULL DEFAULT '{}',
  settings           jsonb NOT NULL DEFAULT '{}',
  credentials        bytea,
  credentials_set_at timestamptz(3),
  enabled            boolean NOT NULL DEFAULT true,
  revision           integer NOT NULL DEFAULT 1,
  created_by         text NOT NULL,
  created_at         timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at         timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX llm_providers_tenant_id_id_key ON llm_providers (tenant_id, id);
CREATE UNIQUE INDEX llm_providers_tenant_id_name_key ON llm_providers (tenant_id, name);
CREATE INDEX llm_providers_tenant_id_created_at_id_idx ON llm_providers (tenant_id, created_at DESC, id DESC);

ALTER TABLE llm_providers ENABLE ROW LEVEL SECURITY;
ALTER TABLE llm_providers FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON llm_providers TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON llm_providers TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, DELETE,
  UPDATE (name, base_url, models, settings, credentials, credentials_set_at, enabled, revision, updated_at)
  ON llm_providers TO gatehouse_app;
GRANT SELECT ON llm_providers TO gatehouse_definer;
