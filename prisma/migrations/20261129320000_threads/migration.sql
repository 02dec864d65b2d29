-- Threads: conversations that are kept, the runs that answer them, and what was said. What people and models say is encrypted
-- for its tenant (platform/encryption); names, keys and counts are not.

-- How many days threads are kept after they were last used, and runs after they ended; null: until somebody deletes them.
ALTER TABLE tenants ADD COLUMN thread_retention_days integer CHECK (thread_retention_days BETWEEN 1 AND 36500);
GRANT UPDATE (thread_retention_days) ON tenants TO gatehouse_app;

-- ---------------------------------------------------------------------------------------------------- threads

-- owner      tenant | user:<id> | human:<id>; with a human its threads go
-- setup      encrypted: the system prompt and the tools
-- run_count  how many runs were ever begun: the number of the newest one
-- left_out   how many messages the newest answer was made without, since the model's context holds no more
CREATE TABLE threads (
  id               uuid PRIMARY KEY,
  tenant_id        text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  owner            text NOT NULL CHECK (owner ~ '^(tenant|(user|human):.+)$'),
  conversation_key text NOT NULL,
  name             text NOT NULL DEFAULT '',
  model            text,
  temperature      double precision,
  max_tokens       integer,
  interrupt_policy text NOT NULL DEFAULT 'REJECT' CHECK (interrupt_policy IN ('REJECT', 'QUEUE', 'INTERRUPT')),
  setup            bytea,
  run_count        integer NOT NULL DEFAULT 0,
  left_out         integer NOT NULL DEFAULT 0,
  created_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  updated_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  human_id         text GENERATED ALWAYS AS (CASE WHEN starts_with(owner, 'human:') THEN substr(owner, 7) END) STORED,
  FOREIGN KEY (human_id, tenant_id) REFERENCES humans (id, tenant_id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX threads_tenant_id_id_key ON threads (tenant_id, id);
CREATE UNIQUE INDEX threads_tenant_id_owner_conversation_key_key ON threads (tenant_id, owner, conversation_key);
CREATE INDEX threads_tenant_id_owner_created_at_id_idx ON threads (tenant_id, owner, created_at DESC, id DESC);
CREATE INDEX threads_human_id_tenant_id_idx ON threads (human_id, tenant_id) WHERE human_id IS NOT NULL;

ALTER TABLE threads ENABLE ROW LEVEL SECURITY;
ALTER TABLE threads FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON threads TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON threads TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, DELETE,
  UPDATE (name, model, temperature, max_tokens, interrupt_policy, setup, updated_at)
  ON threads TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE (run_count, left_out, updated_at), DELETE ON threads TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- runs

-- run_no            its place among the runs of its thread
-- status            WAITING for the thread's live run; RUNNING in the process whose lease it has; ACTION: waits for the outputs
--                   of tools that the caller runs; COMPLETED, FAILED, CANCELLED
-- caller            who asked, as far as the charges need it: ids, no name
-- human_id          whose limits are charged; the name is looked up when the run starts
-- setup             encrypted: the tools that came with the message
-- step              how many answers of the model it has up to now; more than one where tools were called
-- begun             something of an answer may have reached somebody
-- moves             how often a sweep gave it to another process
-- failure           encrypted: why it failed, in words
CREATE TABLE runs (
  id               uuid PRIMARY KEY,
  tenant_id        text NOT NULL,
  thread_id        uuid NOT NULL,
  run_no           integer NOT NULL,
  status           text NOT NULL CHECK (status IN ('WAITING', 'RUNNING', 'ACTION', 'COMPLETED', 'FAILED', 'CANCELLED')),
  lease_id         uuid,
  caller           jsonb NOT NULL,
  human_id         text,
  request_id       text NOT NULL,
  setup            bytea,
  step             smallint NOT NULL DEFAULT 0,
  begun            boolean NOT NULL DEFAULT false,
  moves            smallint NOT NULL DEFAULT 0,
  cancel_requested boolean NOT NULL DEFAULT false,
  error_code       text,
  failure          bytea,
  created_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  ended_at         timestamptz(3),
  FOREIGN KEY (tenant_id, thread_id) REFERENCES threads (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE,
  CHECK ((status = 'RUNNING') = (lease_id IS NOT NULL)),
  CHECK ((status IN ('WAITING', 'RUNNING', 'ACTION')) = (ended_at IS NULL))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX runs_tenant_id_id_key ON runs (tenant_id, id);
CREATE UNIQUE INDEX runs_thread_id_run_no_key ON runs (thread_id, run_no);
-- One live run for each thread.
CREATE UNIQUE INDEX runs_thread_id_key ON runs (thread_id) WHERE status IN ('RUNNING', 'ACTION');
CREATE INDEX runs_tenant_id_thread_id_run_no_idx ON runs (tenant_id, thread_id, run_no) WHERE status = 'WAITING';
CREATE INDEX runs_lease_id_idx ON runs (lease_id) WHERE lease_id IS NOT NULL;
CREATE INDEX runs_tenant_id_ended_at_idx ON runs (tenant_id, ended_at) WHERE ended_at IS NOT NULL;

ALTER TABLE runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE runs FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON runs TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON runs TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT ON runs TO gatehouse_app;
GRANT SELECT, INSERT, DELETE,
  UPDATE (status, lease_id, step, begun, moves, cancel_requested, error_code, failure, ended_at)
  ON runs TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- thread_messages

-- What was said, in the order of the runs, and of each run in the order of `n`: so what waits for a run stands behind that
-- run's answer from the start. `body` is encrypted; `tokens` counts what it is for a model.
CREATE TABLE thread_messages (
  run_id     uuid NOT NULL,
  n          smallint NOT NULL,
  tenant_id  text NOT NULL,
  thread_id  uuid NOT NULL,
  run_no     integer NOT NULL,
  role       text NOT NULL CHECK (role IN ('user', 'assistant', 'tool')),
  body       bytea NOT NULL,
  tokens     integer NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (run_id, n),
  FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX thread_messages_thread_id_run_no_n_idx ON thread_messages (thread_id, run_no, n);

ALTER TABLE thread_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE thread_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON thread_messages TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON thread_messages TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT ON thread_messages TO gatehouse_app;
GRANT SELECT, INSERT, DELETE ON thread_messages TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- run_deltas

-- Pieces of an answer that is still being made: those of one process and tick together, so that readers on other processes
-- see them. `start_at`: how many characters of the answer `step` come before it. They go when the whole answer is stored.
CREATE TABLE run_deltas (
  run_id    uuid NOT NULL,
  step      smallint NOT NULL,
  start_at  integer NOT NULL,
  tenant_id text NOT NULL,
  body      bytea NOT NULL,
  PRIMARY KEY (run_id, step, start_at),
  FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);

ALTER TABLE run_deltas ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_deltas FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON run_deltas TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON run_deltas TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT ON run_deltas TO gatehouse_app;
GRANT SELECT, INSERT, DELETE ON run_deltas TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- types

-- A message that begins a run. `owner`: null for a human's own thread, whose id is found by the name in `human`.
CREATE TYPE run_start AS (
  id uuid, thread_id uuid, tenant_id text, owner text, human text, key_id text, conversation_key text, caller jsonb,
  request_id text, setup bytea, body bytea, tokens integer);
-- How a run, or one answer of it, ended. `body`: what the model said, as the run's message `n`; null: nothing.
CREATE TYPE run_end AS (
  id uuid, status text, n smallint, body bytea, tokens integer, left_out integer, error_code text, failure bytea);
-- A piece of an answer.
CREATE TYPE run_delta AS (id uuid, step smallint, start_at integer, body bytea);
-- A run that somebody reads here and that runs elsewhere: what is known of it.
CREATE TYPE run_watch AS (id uuid, status text, step smallint, start_at integer);
