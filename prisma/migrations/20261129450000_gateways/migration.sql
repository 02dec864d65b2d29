-- Gateways: a tenant's own doors to models, each with providers and tokens of its own. `cache_ttl_seconds`: for how long it keeps
-- answers, in at most `cache_max_bytes`; null: it keeps none. `body_retention_days`: for how long bodies of calls are kept; null:
-- not at all.
CREATE TABLE gateways (
  id                  text PRIMARY KEY,
  tenant_id           text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  name                text NOT NULL,
  authenticated       boolean NOT NULL DEFAULT true,
  cache_ttl_seconds   integer CHECK (cache_ttl_seconds BETWEEN 1 AND 172800),
  cache_max_bytes     bigint NOT NULL CHECK (cache_max_bytes > 0),
  body_retention_days integer CHECK (body_retention_days BETWEEN 1 AND 365),
  created_by          text NOT NULL,
  created_at          timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at          timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX gateways_tenant_id_id_key ON gateways (tenant_id, id);
CREATE UNIQUE INDEX gateways_tenant_id_name_key ON gateways (tenant_id, name);
CREATE INDEX gateways_tenant_id_created_at_id_idx ON gateways (tenant_id, created_at DESC, id DESC);

ALTER TABLE gateways ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateways FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON gateways TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON gateways TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, DELETE,
  UPDATE (name, authenticated, cache_ttl_seconds, cache_max_bytes, body_retention_days, updated_at)
  ON gateways TO gatehouse_app;
GRANT SELECT ON gateways TO gatehouse_definer;

-- Tokens of gateways: of each only an HMAC is kept. A deleted token is gone.
CREATE TABLE gateway_tokens (
  id             text PRIMARY KEY,
  tenant_id      text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  gateway_id     text NOT NULL,
  name           text NOT NULL,
  hash           bytea NOT NULL,
  pepper_version integer NOT NULL,
  expires_at     timestamptz(3),
  last_used_at   timestamptz(3),
  created_by     text NOT NULL,
  created_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (tenant_id, gateway_id) REFERENCES gateways (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX gateway_tokens_tenant_id_id_key ON gateway_tokens (tenant_id, id);
CREATE UNIQUE INDEX gateway_tokens_hash_key ON gateway_tokens (hash);
CREATE INDEX gateway_tokens_tenant_id_gateway_id_created_at_id_idx
  ON gateway_tokens (tenant_id, gateway_id, created_at DESC, id DESC);

ALTER TABLE gateway_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON gateway_tokens TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON gateway_tokens TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, DELETE, UPDATE (name, expires_at) ON gateway_tokens TO gatehouse_app;
GRANT SELECT, UPDATE (hash, pepper_version, last_used_at) ON gateway_tokens TO gatehouse_definer;

-- Providers of a gateway are providers like any others, but that calls by the gateway alone go there. `place`: their order.
ALTER TABLE llm_providers
  ADD COLUMN gateway_id text,
  ADD COLUMN place integer NOT NULL DEFAULT 0,
  ADD FOREIGN KEY (tenant_id, gateway_id) REFERENCES gateways (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE;
DROP INDEX llm_providers_tenant_id_name_key;
CREATE UNIQUE INDEX llm_providers_tenant_id_gateway_id_name_key
  ON llm_providers (tenant_id, gateway_id, name) NULLS NOT DISTINCT;
GRANT UPDATE (place) ON llm_providers TO gatehouse_app;
