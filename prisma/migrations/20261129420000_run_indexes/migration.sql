-- Each way to look a thread or a run up has one index that serves it. Plans of the functions that every run passes are made while
-- the tables are empty, and of two indexes that begin with the right column Postgres then takes any: a message to a thread
-- read all threads of its tenant. So what is found by its id has no index that begins with the tenant, and lists have an index
-- that no other question can use, by a condition that holds for every row.

ALTER TABLE thread_messages DROP CONSTRAINT thread_messages_tenant_id_run_id_fkey;
ALTER TABLE run_deltas DROP CONSTRAINT run_deltas_tenant_id_run_id_fkey;
ALTER TABLE runs DROP CONSTRAINT runs_tenant_id_thread_id_fkey;

DROP INDEX threads_tenant_id_id_key;
CREATE UNIQUE INDEX threads_id_tenant_id_key ON threads (id, tenant_id);
DROP INDEX threads_tenant_id_owner_created_at_id_idx;
CREATE INDEX threads_tenant_id_owner_created_at_id_idx ON threads (tenant_id, owner, created_at DESC, id DESC)
  WHERE run_count >= 0;

DROP INDEX runs_tenant_id_id_key;
CREATE UNIQUE INDEX runs_id_tenant_id_key ON runs (id, tenant_id);
DROP INDEX runs_thread_id_run_no_key;
CREATE UNIQUE INDEX runs_thread_id_tenant_id_run_no_key ON runs (thread_id, tenant_id, run_no);
-- By an expression: so no other question about a thread's runs can take them, and these questions can take nothing else.
DROP INDEX runs_thread_id_key;
CREATE UNIQUE INDEX runs_live_key ON runs ((thread_id::text)) WHERE status IN ('RUNNING', 'ACTION');
DROP INDEX runs_tenant_id_thread_id_run_no_idx;
CREATE INDEX runs_waiting_idx ON runs ((thread_id::text), run_no) WHERE status = 'WAITING';
-- Those that shall end, of all processes: few at any time.
CREATE INDEX runs_cancel_requested_idx ON runs (cancel_requested) WHERE cancel_requested AND ended_at IS NULL;

ALTER TABLE runs ADD FOREIGN KEY (thread_id, tenant_id) REFERENCES threads (id, tenant_id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE thread_messages
  ADD FOREIGN KEY (run_id, tenant_id) REFERENCES runs (id, tenant_id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE run_deltas
  ADD FOREIGN KEY (run_id, tenant_id) REFERENCES runs (id, tenant_id) ON DELETE CASCADE ON UPDATE CASCADE;
