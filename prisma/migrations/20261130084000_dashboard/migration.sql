-- What people want to see of keys, humans, usage tokens and deliveries.

-- When a key got its present secret; null: the one that it was created with.
ALTER TABLE api_keys ADD COLUMN rotated_at timestamptz(3);
GRANT UPDATE (rotated_at) ON api_keys TO gatehouse_app;

-- When a human last made a call, to about ten seconds.
ALTER TABLE humans ADD COLUMN last_seen_at timestamptz(3);
GRANT UPDATE (last_seen_at) ON humans TO gatehouse_definer;

-- The attempts that ended, oldest first: {attempt, beganAt, endedAt, statusCode?, error?}.
ALTER TABLE webhook_deliveries ADD COLUMN attempt_log jsonb NOT NULL DEFAULT '[]';
GRANT UPDATE (attempt_log) ON webhook_deliveries TO gatehouse_definer;

-- Tokens of a tenant, newest first.
CREATE INDEX usage_tokens_tenant_id_created_at_id_idx ON usage_tokens (tenant_id, created_at DESC, id DESC);
