-- Routes that tenants make: a name that callers write as their model, and where such calls go. `retry_on`: the failures after
-- which a call goes on; `attempts`: how often one target is tried.
CREATE TABLE llm_routes (
  id         text PRIMARY KEY,
  tenant_id  text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  name       text NOT NULL,
  strategy   text NOT NULL CHECK (strategy IN ('FALLBACK', 'WEIGHTED')),
  attempts   integer NOT NULL CHECK (attempts BETWEEN 1 AND 5),
  retry_on   text[] NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX llm_routes_tenant_id_id_key ON llm_routes (tenant_id, id);
CREATE UNIQUE INDEX llm_routes_tenant_id_name_key ON llm_routes (tenant_id, name);
CREATE INDEX llm_routes_tenant_id_created_at_id_idx ON llm_routes (tenant_id, created_at DESC, id DESC);

ALTER TABLE llm_routes ENABLE ROW LEVEL SECURITY;
ALTER TABLE llm_routes FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON llm_routes TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON llm_routes TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, DELETE, UPDATE (name, strategy, attempts, retry_on, updated_at) ON llm_routes TO gatehouse_app;
GRANT SELECT ON llm_routes TO gatehouse_definer;

-- The targets of a route in their order. A provider that one names can't be deleted; both are of the route's own tenant.
-- They go with the tenant directly: by way of their route they would go only after the check of their providers.
CREATE TABLE llm_route_targets (
  tenant_id   text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  route_id    text NOT NULL,
  place       integer NOT NULL CHECK (place >= 0),
  provider_id text NOT NULL,
  model       text NOT NULL,
  weight      integer NOT NULL CHECK (weight >= 0),
  PRIMARY KEY (tenant_id, route_id, place),
  FOREIGN KEY (tenant_id, route_id) REFERENCES llm_routes (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE,
  FOREIGN KEY (tenant_id, provider_id) REFERENCES llm_providers (tenant_id, id) ON DELETE NO ACTION ON UPDATE CASCADE
);
CREATE INDEX llm_route_targets_tenant_id_provider_id_idx ON llm_route_targets (tenant_id, provider_id);

ALTER TABLE llm_route_targets ENABLE ROW LEVEL SECURITY;
ALTER TABLE llm_route_targets FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON llm_route_targets TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON llm_route_targets TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, DELETE ON llm_route_targets TO gatehouse_app;
GRANT SELECT ON llm_route_targets TO gatehouse_definer;
