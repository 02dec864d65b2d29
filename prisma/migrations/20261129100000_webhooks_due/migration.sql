-- Due deliveries have an index of their own, by tenant and endpoint: a claim reads these alone, however many others wait for
-- a later attempt. A delivery is ready from the start; its claim ends that, and a later claim makes it
-- ready again once its next attempt is due. What was there before begins as not ready, and is made so by the first claims.
ALTER TABLE webhook_deliveries ADD COLUMN ready boolean NOT NULL DEFAULT false;
ALTER TABLE webhook_deliveries ALTER COLUMN ready SET DEFAULT true;

DROP INDEX webhook_deliveries_status_endpoint_id_next_attempt_at_idx;
CREATE INDEX webhook_deliveries_due_idx
  ON webhook_deliveries (ready, tenant_id, endpoint_id, next_attempt_at);
CREATE INDEX webhook_deliveries_ready_next_attempt_at_idx ON webhook_deliveries (ready, next_attempt_at);

GRANT UPDATE (ready) ON webhook_deliveries TO gatehouse_definer;
