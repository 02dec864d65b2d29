-- A message that carries an Idempotency-Key is taken in by the statement that claims the key. `request_hash`: as the table
-- idempotency_keys holds it.
ALTER TYPE run_start ADD ATTRIBUTE idempotency_owner text, ADD ATTRIBUTE idempotency_key text, ADD ATTRIBUTE request_hash bytea;
