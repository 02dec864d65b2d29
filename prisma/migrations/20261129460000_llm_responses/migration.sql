-- Whose the responses are that a provider keeps: all tenants that use one credential share one account there, and an id is all
-- that it asks for. Only a hash of the id is here. `provider_id` null: the platform's own provider. `tokens`: what the response
-- and all that came before it are to `model`; null: not known. A row goes with its human, its provider and its tenant.
CREATE TABLE llm_responses (
  tenant_id     text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  response_hash bytea NOT NULL CHECK (octet_length(response_hash) = 32),
  owner         text NOT NULL CHECK (owner ~ '^(tenant|(user|human):.+)$'),
  provider_id   text,
  model         text NOT NULL,
  tokens        integer CHECK (tokens >= 0),
  created_at    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  human_id      text GENERATED ALWAYS AS (CASE WHEN starts_with(owner, 'human:') THEN substr(owner, 7) END) STORED,
  PRIMARY KEY (tenant_id, response_hash),
  FOREIGN KEY (human_id, tenant_id) REFERENCES humans (id, tenant_id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, provider_id) REFERENCES llm_providers (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX llm_responses_human_id_tenant_id_idx ON llm_responses (human_id, tenant_id);
CREATE INDEX llm_responses_tenant_id_provider_id_idx ON llm_responses (tenant_id, provider_id);
CREATE INDEX llm_responses_created_at_idx ON llm_responses (created_at);

ALTER TABLE llm_responses ENABLE ROW LEVEL SECURITY;
ALTER TABLE llm_responses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON llm_responses TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());
CREATE POLICY definer ON llm_responses TO gatehouse_definer USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE (tokens), DELETE ON llm_responses TO gatehouse_definer;
