-- Messages that a caller keeps here, to have them put before those of a chat completion. A context belongs to an identity:
-- the tenant itself, a dashboard user, or a human, with whom it goes. `messages` and `bytes` are counted here, so that a
-- page can say how many there are, and a completion can take the memory before anything is read.
CREATE TABLE llm_contexts (
  id         uuid NOT NULL,
  tenant_id  text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  owner      text NOT NULL CHECK (owner ~ '^(tenant|(user|human):.+)$'),
  messages   integer NOT NULL DEFAULT 0,
  bytes      bigint NOT NULL DEFAULT 0,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  human_id   text GENERATED ALWAYS AS (CASE WHEN starts_with(owner, 'human:') THEN substr(owner, 7) END) STORED,
  PRIMARY KEY (id, tenant_id),
  FOREIGN KEY (human_id, tenant_id) REFERENCES humans (id, tenant_id) ON DELETE CASCADE
);
CREATE INDEX llm_contexts_human_id_tenant_id_idx ON llm_contexts (human_id, tenant_id) WHERE human_id IS NOT NULL;
CREATE INDEX llm_contexts_tenant_id_owner_created_at_id_idx ON llm_contexts (tenant_id, owner, created_at DESC, id DESC);

ALTER TABLE llm_contexts ENABLE ROW LEVEL SECURITY;
ALTER TABLE llm_contexts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON llm_contexts TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, UPDATE (messages, bytes) ON llm_contexts TO gatehouse_app;

-- What a message says is encrypted under the tenant's data key, and opens in its own row alone.
CREATE TABLE llm_context_messages (
  id         uuid NOT NULL,
  tenant_id  text NOT NULL,
  context_id uuid NOT NULL,
  place      integer NOT NULL CHECK (place > 0),
  content    bytea NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (id, tenant_id),
  FOREIGN KEY (context_id, tenant_id) REFERENCES llm_contexts (id, tenant_id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX llm_context_messages_context_id_tenant_id_place_key
  ON llm_context_messages (context_id, tenant_id, place);

ALTER TABLE llm_context_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE llm_context_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON llm_context_messages TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT ON llm_context_messages TO gatehouse_app;
