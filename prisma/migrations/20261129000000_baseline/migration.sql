-- The tables, each with its indexes, policies and rights. The functions and triggers stand in prisma/functions, and are
-- applied after the migrations.
--
-- Two roles, both without BYPASSRLS and owning no table:
--   gatehouse_app      the service itself; sees one tenant at a time, named by the setting app.tenant_id of its transaction
--   gatehouse_definer  NOLOGIN; owns the few functions that must look before a tenant is known, or across tenants
-- Row-level security is enabled and forced on every table. Rights are given one by one: the app writes only what people
-- manage, and reaches the ledger, the leases and the windows through functions alone. test/contracts/ lists each table,
-- policy, right and function.

-- Roles belong to the cluster and not to the database: another database of this cluster may have made them already, even
-- at this moment.
DO $$
BEGIN
  BEGIN
    CREATE ROLE gatehouse_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
  END;
  BEGIN
    CREATE ROLE gatehouse_definer NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
  END;
  -- The owner may become both: the service's connections switch to gatehouse_app, and functions are handed to
  -- gatehouse_definer. A superuser needs no grant.
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT gatehouse_app, gatehouse_definer TO %I', current_user)
      || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
  END IF;
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO gatehouse_app, gatehouse_definer;

-- Policies name these two functions, so they have to exist before the tables. Here they name no tenant; their text is in
-- prisma/functions.
CREATE FUNCTION current_tenant_id() RETURNS text LANGUAGE sql STABLE AS $$ SELECT NULL::text $$;
CREATE FUNCTION current_org_id() RETURNS text LANGUAGE sql STABLE AS $$ SELECT NULL::text $$;

-- ---------------------------------------------------------------------------------------------------- users

CREATE TABLE users (
  id                text PRIMARY KEY,
  email             text,
  created_at        timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  -- The tenant that the user's claims name, or will name when the outbox has been worked off.
  claimed_tenant_id text
);

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON users TO gatehouse_definer USING (true) WITH CHECK (true);

GRANT SELECT ON users TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE (email, claimed_tenant_id) ON users TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- orgs

CREATE TABLE orgs (
  id         text PRIMARY KEY,
  name       text NOT NULL,
  slug       text NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX orgs_slug_key ON orgs (slug);

ALTER TABLE orgs ENABLE ROW LEVEL SECURITY;
ALTER TABLE orgs FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON orgs TO gatehouse_definer USING (true) WITH CHECK (true);
-- An org's people manage all of its tenants, so that the app sees the org from any of them.
CREATE POLICY tenant ON orgs TO gatehouse_app USING (id = (SELECT current_org_id())) WITH CHECK (id = (SELECT current_org_id()));

GRANT SELECT, UPDATE (name, slug, updated_at) ON orgs TO gatehouse_app;
-- UPDATE (updated_at): only a role that may update a row can lock it.
GRANT SELECT, INSERT, UPDATE (updated_at), DELETE ON orgs TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- tenants

CREATE TABLE tenants (
  id             text PRIMARY KEY,
  org_id         text NOT NULL REFERENCES orgs (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  name           text NOT NULL,
  created_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  -- What a human may use at first, as keys keep it: [{"type", "microUnits"}]; null: no limit.
  default_limits jsonb,
  -- The output that a call under a budget is given whose caller named no limit, for each choice; null: the service's default.
  default_output_tokens integer CHECK (default_output_tokens > 0)
);
CREATE UNIQUE INDEX tenants_org_id_id_key ON tenants (org_id, id);

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON tenants TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON tenants TO gatehouse_app
  USING (org_id = (SELECT current_org_id())) WITH CHECK (org_id = (SELECT current_org_id()));

GRANT SELECT, INSERT, UPDATE (name, default_limits, default_output_tokens) ON tenants TO gatehouse_app;
-- UPDATE (name): only a role that may update a row can lock it.
GRANT SELECT, INSERT, UPDATE (name), DELETE ON tenants TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- memberships

CREATE TABLE memberships (
  org_id     text NOT NULL REFERENCES orgs (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  user_id    text NOT NULL REFERENCES users (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  role       text NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (org_id, user_id)
);
CREATE INDEX memberships_user_id_idx ON memberships (user_id);

ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON memberships TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON memberships TO gatehouse_app
  USING (org_id = (SELECT current_org_id())) WITH CHECK (org_id = (SELECT current_org_id()));
-- The inner query runs under the policy of memberships: the app sees users who share an org with the tenant.
CREATE POLICY tenant ON users TO gatehouse_app USING (id IN (SELECT user_id FROM memberships));

GRANT SELECT, UPDATE (role), DELETE ON memberships TO gatehouse_app;
GRANT SELECT, INSERT, DELETE ON memberships TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- invitations

CREATE TABLE invitations (
  id          text PRIMARY KEY,
  org_id      text NOT NULL REFERENCES orgs (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  email       text NOT NULL,
  role        text NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
  token_hash  bytea NOT NULL,
  invited_by  text NOT NULL,
  created_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  expires_at  timestamptz(3) NOT NULL,
  accepted_at timestamptz(3),
  accepted_by text,
  revoked_at  timestamptz(3)
);
CREATE UNIQUE INDEX invitations_token_hash_key ON invitations (token_hash);
CREATE INDEX invitations_org_id_created_at_id_idx ON invitations (org_id, created_at DESC, id DESC);
CREATE INDEX invitations_org_id_email_idx ON invitations (org_id, email);

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON invitations TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON invitations TO gatehouse_app
  USING (org_id = (SELECT current_org_id())) WITH CHECK (org_id = (SELECT current_org_id()));

GRANT SELECT, INSERT, UPDATE (revoked_at) ON invitations TO gatehouse_app;
GRANT SELECT, UPDATE (accepted_at, accepted_by), DELETE ON invitations TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- claim_writes

-- The outbox of claims that are to be written to the identity provider.
CREATE TABLE claim_writes (
  id              uuid PRIMARY KEY,
  user_id         text NOT NULL REFERENCES users (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  claims          jsonb NOT NULL,
  attempts        integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  created_at      timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX claim_writes_next_attempt_at_idx ON claim_writes (next_attempt_at);

ALTER TABLE claim_writes ENABLE ROW LEVEL SECURITY;
ALTER TABLE claim_writes FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON claim_writes TO gatehouse_definer USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON claim_writes TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- api_keys

CREATE TABLE api_keys (
  id                  text PRIMARY KEY,
  tenant_id           text NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  type                text NOT NULL CHECK (type IN ('SECRET', 'PUBLISHABLE')),
  name                text NOT NULL,
  description         text NOT NULL DEFAULT '',
  key_prefix          text NOT NULL,
  hash                bytea NOT NULL,
  pepper_version      integer NOT NULL,
  scopes              text[],
  requests_per_minute integer CHECK (requests_per_minute > 0),
  expires_at          timestamptz(3),
  revoked_at          timestamptz(3),
  created_by          text NOT NULL,
  created_at          timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at          timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  last_used_at        timestamptz(3),
  -- Of a secret key: for humans with usage tokens that the key made.
  requests_per_minute_per_human integer CHECK (requests_per_minute_per_human > 0),
  allowed_origins     text[],
  oidc_issuer         text,
  oidc_audience       text,
  oidc_jwks_uri       text,
  human_prefix        text NOT NULL DEFAULT '',
  default_limits      jsonb,
  unlimited           boolean NOT NULL DEFAULT false,
  -- As the tenant's; null: the tenant's.
  default_output_tokens integer CHECK (default_output_tokens > 0),
  CONSTRAINT api_keys_oidc_whole CHECK ((oidc_issuer IS NULL) = (oidc_audience IS NULL)
    AND (oidc_issuer IS NOT NULL OR (oidc_jwks_uri IS NULL AND human_prefix = ''))),
  CONSTRAINT api_keys_publishable_only CHECK (type = 'PUBLISHABLE' OR (oidc_issuer IS NULL
    AND default_limits IS NULL AND NOT unlimited))
);
CREATE UNIQUE INDEX api_keys_hash_key ON api_keys (hash);
CREATE UNIQUE INDEX api_keys_tenant_id_id_key ON api_keys (tenant_id, id);
CREATE INDEX api_keys_tenant_id_created_at_id_idx ON api_keys (tenant_id, created_at DESC, id DESC);
-- A tenant has few publishable keys, and may have many others.
CREATE INDEX api_keys_tenant_id_type_idx ON api_keys (tenant_id, type);

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON api_keys TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON api_keys TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT,
  UPDATE (name, description, key_prefix, hash, pepper_version, scopes, requests_per_minute, requests_per_minute_per_human,
          allowed_origins, oidc_issuer, oidc_audience, oidc_jwks_uri, human_prefix, default_limits, unlimited,
          default_output_tokens, expires_at, revoked_at, updated_at)
  ON api_keys TO gatehouse_app;
GRANT SELECT, UPDATE (hash, pepper_version, last_used_at), DELETE ON api_keys TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- api_key_retired_secrets

-- Secrets that a rotation replaced, until their grace period ends.
CREATE TABLE api_key_retired_secrets (
  hash           bytea PRIMARY KEY,
  tenant_id      text NOT NULL,
  key_id         text NOT NULL,
  pepper_version integer NOT NULL,
  expires_at     timestamptz(3) NOT NULL,
  FOREIGN KEY (tenant_id, key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX api_key_retired_secrets_tenant_id_key_id_idx ON api_key_retired_secrets (tenant_id, key_id);

ALTER TABLE api_key_retired_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key_retired_secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON api_key_retired_secrets TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON api_key_retired_secrets TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, DELETE ON api_key_retired_secrets TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE (hash, pepper_version), DELETE ON api_key_retired_secrets TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- humans

-- A tenant's end users. `id` stands for the human in what outlives them (the ledger, the audit log): only this row leads
-- from it to the name. What a human may use is in budgets.
CREATE TABLE humans (
  tenant_id  text NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  human      text NOT NULL,
  id         text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (tenant_id, human)
);
-- While Postgres knows nothing of a table's rows, it takes any index that begins with the right column for as good as
-- another, and keeps to it. So each way to look a human up has one index: by name the primary key, by id this one, and
-- for listings one that serves nothing else.
CREATE UNIQUE INDEX humans_id_tenant_id_key ON humans (id, tenant_id);
CREATE INDEX humans_tenant_id_created_at_id_idx ON humans (tenant_id, created_at DESC, id DESC)
  WHERE created_at > '-infinity';

ALTER TABLE humans ENABLE ROW LEVEL SECURITY;
ALTER TABLE humans FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON humans TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON humans TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

-- UPDATE (created_at): only a role that may update a row can lock it.
GRANT SELECT, INSERT, UPDATE (created_at), DELETE ON humans TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE (created_at), DELETE ON humans TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- budgets

-- What a holder may use, at all or in each period, and what is gone of it. Amounts are in millionths of the type's unit (of
-- cost_micros: millionths of a micro-dollar).
--   holder   tenant | key:<id> | human:<id> | gateway:<id> | gateway_token:<id> | sealed_token:<id> | address:<ip>
--   models   only calls of these count; null: all
--   amount   what is allowed, with `raise_by` more until `raise_until`
--   epoch    grows at each end of a period, and at each set of a budget without one: a call settles into the epoch that
--            admitted it, here or in budget_epochs. The row is renewed by the first call after the end
--   used     what calls took that are over; held: what open calls may take at most. What is left may fall below 0, where a
--            call used more than it had reserved: then nothing passes, and it is shown as 0
--   told     the highest alert mark of which webhooks heard; told_before: what it was before the last charge, so that the
--            statement that charges can say which marks it crossed
--   is_metered  calls are counted by it; the other types are reported by tenants' servers
--
-- Half of each page stays free, so that counting updates a row in place: no column that it changes is indexed.
CREATE TABLE budgets (
  id            uuid NOT NULL,
  tenant_id     text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  holder        text NOT NULL CHECK (holder ~ '^(tenant|(key|human|gateway|gateway_token|sealed_token|address):.+)$'),
  type          text NOT NULL CHECK (type IN ('request_cnt', 'token_cnt', 'cost_micros', 'conversational_seconds',
                                              'voice_synthesis_seconds', 'memory_message_cnt')),
  period        text NOT NULL CHECK (period IN ('NONE', 'MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH')),
  time_zone     text NOT NULL DEFAULT 'UTC',
  models        text[],
  amount        bigint NOT NULL CHECK (amount >= 0),
  raise_by      bigint NOT NULL DEFAULT 0 CHECK (raise_by >= 0),
  raise_until   timestamptz(3),
  alert_at      smallint[] NOT NULL DEFAULT '{80}',
  epoch         integer NOT NULL DEFAULT 1,
  starts_at     timestamptz(3) NOT NULL,
  ends_at       timestamptz(3) NOT NULL DEFAULT 'infinity',
  used          bigint NOT NULL DEFAULT 0,
  held          bigint NOT NULL DEFAULT 0,
  told          smallint NOT NULL DEFAULT 0,
  told_before   smallint NOT NULL DEFAULT 0,
  exceeded_told boolean NOT NULL DEFAULT false,
  created_at    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  is_metered    boolean NOT NULL GENERATED ALWAYS AS (type IN ('request_cnt', 'token_cnt', 'cost_micros')) STORED,
  key_id        text GENERATED ALWAYS AS (CASE WHEN starts_with(holder, 'key:') THEN substr(holder, 5) END) STORED,
  human_id      text GENERATED ALWAYS AS (CASE WHEN starts_with(holder, 'human:') THEN substr(holder, 7) END) STORED,
  PRIMARY KEY (id, tenant_id),
  -- With a key or a human its budgets go.
  FOREIGN KEY (tenant_id, key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (human_id, tenant_id) REFERENCES humans (id, tenant_id) ON DELETE CASCADE
) WITH (fillfactor = 50);
-- One index for each way to look a budget up, as for humans: by id, by what a call is judged by, by whose deletion takes it
-- away, and for listings one that serves nothing else.
CREATE UNIQUE INDEX budgets_tenant_id_holder_type_period_time_zone_models_key
  ON budgets (tenant_id, holder, type, period, time_zone, models) NULLS NOT DISTINCT;
CREATE INDEX budgets_key_id_tenant_id_idx ON budgets (key_id, tenant_id) WHERE key_id IS NOT NULL;
CREATE INDEX budgets_human_id_tenant_id_idx ON budgets (human_id, tenant_id) WHERE human_id IS NOT NULL;
CREATE INDEX budgets_tenant_id_created_at_id_idx ON budgets (tenant_id, created_at DESC, id DESC)
  WHERE created_at > '-infinity';

ALTER TABLE budgets ENABLE ROW LEVEL SECURITY;
ALTER TABLE budgets FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON budgets TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON budgets TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, DELETE,
  UPDATE (amount, raise_by, raise_until, alert_at, epoch, starts_at, ends_at, used, held, told, told_before, exceeded_told)
  ON budgets TO gatehouse_app;
GRANT SELECT, INSERT, DELETE,
  UPDATE (epoch, starts_at, ends_at, used, held, told, told_before, exceeded_told)
  ON budgets TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- budget_epochs

-- Epochs that ended, as they were left: calls that were open then settle here.
CREATE TABLE budget_epochs (
  budget_id uuid NOT NULL,
  epoch     integer NOT NULL,
  tenant_id text NOT NULL,
  starts_at timestamptz(3) NOT NULL,
  ended_at  timestamptz(3) NOT NULL,
  amount    bigint NOT NULL,
  used      bigint NOT NULL,
  held      bigint NOT NULL,
  PRIMARY KEY (budget_id, epoch),
  FOREIGN KEY (budget_id, tenant_id) REFERENCES budgets (id, tenant_id) ON DELETE CASCADE ON UPDATE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX budget_epochs_ended_at_idx ON budget_epochs (ended_at);

ALTER TABLE budget_epochs ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_epochs FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON budget_epochs TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON budget_epochs TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT ON budget_epochs TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE (used, held), DELETE ON budget_epochs TO gatehouse_definer;

-- What webhooks are told of a budget. `percent`: the alert mark that was crossed; null: a call was refused for the budget.
CREATE TYPE budget_event AS (
  tenant_id text, holder text, type text, period text, percent smallint, amount bigint, used bigint, resets_at timestamptz);
-- Which budgets hold something for a call, in which epochs.
CREATE TYPE budget_holding AS (budget_ids uuid[], budget_epochs integer[]);
-- What a call that is over takes from its budgets, and what it had held: in millionths.
CREATE TYPE budget_charge AS (
  budget_ids uuid[], budget_epochs integer[], requests_held bigint, requests bigint, tokens_held bigint, tokens bigint,
  cost_held bigint, cost bigint);

-- ---------------------------------------------------------------------------------------------------- usage_records

-- The ledger. No foreign keys: it outlives what it names, and a check at each call would lock the key's row for each call.
-- Costs are in millionths of a micro-dollar; null: the model has no price. `requests`: 0 where the upstream produced
-- nothing. `limited`: a budget of tokens or cost judged the call. `budget_ids`, `budget_epochs`: the budgets that admitted it,
-- and their epochs then.
--
-- One partition for each month of the ids, which are UUIDs of version 7: add_usage_partition makes them. Half of each page
-- of theirs stays free, so that settling updates a row in place, although a settled row is a little longer than the
-- reserved one: no column that a settlement changes is indexed.
CREATE TABLE usage_records (
  id                     uuid PRIMARY KEY,
  tenant_id              text NOT NULL,
  kind                   text NOT NULL DEFAULT 'CALL' CHECK (kind IN ('CALL', 'ADJUSTMENT')),
  adjusts                uuid,
  key_id                 text,
  user_id                text,
  request_id             text NOT NULL,
  provider               text NOT NULL,
  model                  text NOT NULL,
  streamed               boolean NOT NULL,
  state                  text NOT NULL DEFAULT 'RESERVED' CHECK (state IN ('RESERVED', 'SETTLED', 'SWEPT')),
  outcome                text,
  status_code            integer,
  reserved_input_tokens  bigint NOT NULL CHECK (reserved_input_tokens >= 0),
  reserved_output_tokens bigint NOT NULL CHECK (reserved_output_tokens >= 0),
  input_tokens           bigint NOT NULL DEFAULT 0,
  output_tokens          bigint NOT NULL DEFAULT 0,
  estimated              boolean NOT NULL DEFAULT false,
  latency_ms             integer,
  lease_id               uuid NOT NULL,
  created_at             timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  settled_at             timestamptz(3),
  human_id               text,
  reserved_cost_pico_usd bigint CHECK (reserved_cost_pico_usd >= 0),
  requests               smallint NOT NULL DEFAULT 0,
  cached_input_tokens    bigint NOT NULL DEFAULT 0,
  cost_pico_usd          bigint,
  limited                boolean NOT NULL DEFAULT false,
  overrun                boolean NOT NULL DEFAULT false,
  gateway_id             text,
  gateway_token_id       text,
  budget_ids             uuid[],
  budget_epochs          integer[],
  operation              text NOT NULL DEFAULT 'chat',
  route                  text,
  attempt                smallint NOT NULL DEFAULT 1,
  sealed_token_hash      text,
  cache_write_tokens     bigint NOT NULL DEFAULT 0,
  reasoning_tokens       bigint NOT NULL DEFAULT 0
) PARTITION BY RANGE (id);
CREATE INDEX usage_records_lease_id_created_at_idx ON usage_records (lease_id, created_at);
CREATE INDEX usage_records_tenant_id_created_at_idx ON usage_records (tenant_id, created_at);

ALTER TABLE usage_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_records FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON usage_records TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON usage_records TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT ON usage_records TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_records TO gatehouse_definer;

-- One call that asks to be admitted. `output_tokens`: what it may make at most; `default_output`: what it is given under a
-- budget where its caller named no limit, else null; `most_output`: the model makes no more, null: unknown. Prices are those of
-- one token, null: unknown. `rough`: `input_tokens` is far above what the input may come to, and the caller can tell it more
-- closely. `route_name`: the tenant's own name of the route. `route` and `address`: of a call that a key makes on its human's behalf.
CREATE TYPE admission AS (
  id uuid, tenant_id text, human text, key_id text, user_id text, gateway_id text, gateway_token_id text, request_id text,
  provider text, model text, streamed boolean, input_tokens bigint, output_tokens bigint, default_output bigint,
  most_output bigint, choices integer, boundless boolean, input_price bigint, output_price bigint, route text, address text,
  sealed_token_hash text, operation text, route_name text, attempt smallint, rough boolean);
-- The truth about one.
CREATE TYPE settlement AS (
  id uuid, tenant_id text, outcome text, status_code integer, requests smallint, input_tokens bigint, output_tokens bigint,
  cached_input_tokens bigint, cost bigint, estimated boolean, latency_ms integer, cache_write_tokens bigint,
  reasoning_tokens bigint);

-- ---------------------------------------------------------------------------------------------------- process_leases

-- A process's claim that it lives, and that its open calls are its own. `term`: how long it may go without a renewal.
CREATE TABLE process_leases (
  id             uuid PRIMARY KEY,
  term           interval NOT NULL,
  started_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  renewed_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  oldest_open_at timestamptz(3),
  ended_at       timestamptz(3),
  swept_at       timestamptz(3)
);

ALTER TABLE process_leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE process_leases FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON process_leases TO gatehouse_definer USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON process_leases TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- usage_reports

-- Usage that this service can't see, as a tenant's servers report it. A part of the ledger, and like it without foreign keys.
CREATE TABLE usage_reports (
  id              uuid PRIMARY KEY,
  tenant_id       text NOT NULL,
  human_id        text NOT NULL,
  key_id          text,
  user_id         text,
  type            text NOT NULL CHECK (type IN ('conversational_seconds', 'voice_synthesis_seconds', 'memory_message_cnt')),
  micro_units     bigint NOT NULL CHECK (micro_units >= 0),
  idempotency_key text NOT NULL,
  created_at      timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX usage_reports_tenant_id_idempotency_key_key ON usage_reports (tenant_id, idempotency_key);
CREATE INDEX usage_reports_tenant_id_created_at_idx ON usage_reports (tenant_id, created_at);

ALTER TABLE usage_reports ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_reports FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON usage_reports TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON usage_reports TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT ON usage_reports TO gatehouse_app;
GRANT SELECT, DELETE ON usage_reports TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- usage_tokens

-- The token itself is not stored: its signature proves it, and this row says how long it lives.
CREATE TABLE usage_tokens (
  id         text PRIMARY KEY,
  tenant_id  text NOT NULL,
  key_id     text NOT NULL,
  human_id   text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz(3) NOT NULL,
  revoked_at timestamptz(3),
  FOREIGN KEY (tenant_id, key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE,
  FOREIGN KEY (human_id, tenant_id) REFERENCES humans (id, tenant_id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX usage_tokens_tenant_id_human_id_idx ON usage_tokens (tenant_id, human_id);
CREATE INDEX usage_tokens_tenant_id_key_id_idx ON usage_tokens (tenant_id, key_id);
CREATE INDEX usage_tokens_expires_at_idx ON usage_tokens (expires_at);

ALTER TABLE usage_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON usage_tokens TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON usage_tokens TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, UPDATE (expires_at, revoked_at) ON usage_tokens TO gatehouse_app;
-- UPDATE (revoked_at): only a role that may update a row can lock it.
GRANT SELECT, UPDATE (revoked_at), DELETE ON usage_tokens TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- rate_windows

CREATE UNLOGGED TABLE rate_windows (
  key       text PRIMARY KEY,
  opened_at timestamptz(3) NOT NULL,
  before    integer NOT NULL DEFAULT 0,
  used      integer NOT NULL
) WITH (fillfactor = 50);

ALTER TABLE rate_windows ENABLE ROW LEVEL SECURITY;
ALTER TABLE rate_windows FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON rate_windows TO gatehouse_definer USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON rate_windows TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- audit_events

-- Append-only: only the deletion of a tenant or an org has the right to delete a row, and no role has the right to change
-- one. No tenant: an event of the org. No foreign key to the org: a deleted tenant's tombstone outlives it.
CREATE TABLE audit_events (
  id            uuid PRIMARY KEY,
  org_id        text NOT NULL,
  tenant_id     text REFERENCES tenants (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  occurred_at   timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  action        text NOT NULL,
  actor_type    text NOT NULL CHECK (actor_type IN ('user', 'key', 'system')),
  actor_id      text,
  human_id      text,
  resource_type text NOT NULL,
  resource_id   text NOT NULL,
  request_id    text,
  address       text,
  details       jsonb NOT NULL DEFAULT '{}'
);
-- One index for all: a tenant's events and an org's own in order, and the rows that a tenant's deletion looks for.
CREATE INDEX audit_events_tenant_id_org_id_occurred_at_id_idx
  ON audit_events (tenant_id, org_id, occurred_at DESC, id DESC);

ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_events FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON audit_events TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON audit_events TO gatehouse_app
  USING (org_id = (SELECT current_org_id()) AND (tenant_id IS NULL OR tenant_id = current_tenant_id()))
  WITH CHECK (org_id = (SELECT current_org_id()) AND (tenant_id IS NULL OR tenant_id = current_tenant_id()));

GRANT SELECT, INSERT ON audit_events TO gatehouse_app;
GRANT SELECT, INSERT, DELETE ON audit_events TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- idempotency_keys

-- The answer to a request with an Idempotency-Key, without its secrets.
CREATE TABLE idempotency_keys (
  owner        text NOT NULL,
  key          text NOT NULL,
  tenant_id    text REFERENCES tenants (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  request_hash bytea NOT NULL,
  response     jsonb,
  created_at   timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_tenant_id_idx ON idempotency_keys (tenant_id);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON idempotency_keys TO gatehouse_definer USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- webhook_endpoints

-- All tables of webhooks go with their tenant: their foreign keys cascade, so that purge_tenant need not know each of them.
CREATE TABLE webhook_endpoints (
  id              text PRIMARY KEY,
  tenant_id       text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  url             text NOT NULL,
  description     text NOT NULL DEFAULT '',
  status          text NOT NULL DEFAULT 'ENABLED' CHECK (status IN ('ENABLED', 'DISABLED')),
  disabled_reason text CHECK (disabled_reason IN ('REQUESTED', 'FAILING', 'GONE')),
  disabled_at     timestamptz(3),
  -- The first attempt that failed since the last one that did not.
  failing_since   timestamptz(3),
  created_by      text NOT NULL,
  created_at      timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at      timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CHECK ((status = 'DISABLED') = (disabled_reason IS NOT NULL) AND (status = 'DISABLED') = (disabled_at IS NOT NULL))
);
CREATE UNIQUE INDEX webhook_endpoints_tenant_id_id_key ON webhook_endpoints (tenant_id, id);
CREATE INDEX webhook_endpoints_tenant_id_created_at_id_idx ON webhook_endpoints (tenant_id, created_at DESC, id DESC);

ALTER TABLE webhook_endpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_endpoints FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON webhook_endpoints TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON webhook_endpoints TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, UPDATE (url, description, status, disabled_reason, disabled_at, failing_since, updated_at), DELETE
  ON webhook_endpoints TO gatehouse_app;
GRANT SELECT, UPDATE (status, disabled_reason, disabled_at, failing_since, updated_at) ON webhook_endpoints TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- webhook_subscriptions

-- The event types that an endpoint chose. A table of its own, so that one probe of one index tells every settled call
-- when no endpoint on this service listens.
CREATE TABLE webhook_subscriptions (
  tenant_id   text NOT NULL,
  endpoint_id text NOT NULL,
  type        text NOT NULL,
  PRIMARY KEY (tenant_id, endpoint_id, type),
  FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX webhook_subscriptions_type_tenant_id_idx ON webhook_subscriptions (type, tenant_id);

ALTER TABLE webhook_subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON webhook_subscriptions TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON webhook_subscriptions TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, DELETE ON webhook_subscriptions TO gatehouse_app;
GRANT SELECT ON webhook_subscriptions TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- webhook_secrets

-- Secrets, encrypted (platform/crypto). Without an end: the endpoint's current one; with an end: replaced, and still used
-- for signing until then.
CREATE TABLE webhook_secrets (
  id          uuid PRIMARY KEY,
  tenant_id   text NOT NULL,
  endpoint_id text NOT NULL,
  envelope    bytea NOT NULL,
  key_version integer NOT NULL,
  expires_at  timestamptz(3),
  created_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX webhook_secrets_tenant_id_endpoint_id_idx ON webhook_secrets (tenant_id, endpoint_id);
CREATE INDEX webhook_secrets_key_version_idx ON webhook_secrets (key_version);

ALTER TABLE webhook_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON webhook_secrets TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON webhook_secrets TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, UPDATE (expires_at), DELETE ON webhook_secrets TO gatehouse_app;
GRANT SELECT, UPDATE (envelope, key_version), DELETE ON webhook_secrets TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- webhook_events

-- No names: a human's name is joined in when a delivery is sent, so that erasing a human erases it here too.
CREATE TABLE webhook_events (
  id         uuid PRIMARY KEY,
  tenant_id  text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  type       text NOT NULL,
  human_id   text,
  payload    jsonb NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX webhook_events_tenant_id_id_key ON webhook_events (tenant_id, id);
CREATE INDEX webhook_events_created_at_idx ON webhook_events (created_at);

ALTER TABLE webhook_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_events FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON webhook_events TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON webhook_events TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT ON webhook_events TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE (created_at), DELETE ON webhook_events TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- webhook_deliveries

-- One event on its way to one endpoint. `attempts` counts those that were begun, and tells whose claim it is: only the
-- latest may finish it. A claim is a next attempt in the near future: if its process dies, that attempt simply comes.
CREATE TABLE webhook_deliveries (
  id               uuid PRIMARY KEY,
  tenant_id        text NOT NULL,
  endpoint_id      text NOT NULL,
  event_id         uuid NOT NULL,
  status           text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED')),
  attempts         integer NOT NULL DEFAULT 0,
  next_attempt_at  timestamptz(3) DEFAULT clock_timestamp(),
  last_attempt_at  timestamptz(3),
  last_status_code integer,
  last_error       text CHECK (last_error IN ('UNREACHABLE', 'TIMEOUT', 'BROKEN', 'REDIRECT', 'REFUSED', 'GONE', 'INTERNAL',
                                              'DISABLED')),
  ended_at         timestamptz(3),
  created_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE,
  FOREIGN KEY (tenant_id, event_id) REFERENCES webhook_events (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE,
  CHECK ((status = 'PENDING') = (next_attempt_at IS NOT NULL) AND (status = 'PENDING') = (ended_at IS NULL))
);
-- What is pending stands together in it, by endpoint and time, however much has ended.
CREATE INDEX webhook_deliveries_status_endpoint_id_next_attempt_at_idx
  ON webhook_deliveries (status, endpoint_id, next_attempt_at);
CREATE INDEX webhook_deliveries_tenant_id_created_at_id_idx ON webhook_deliveries (tenant_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_tenant_id_endpoint_id_created_at_id_idx
  ON webhook_deliveries (tenant_id, endpoint_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_tenant_id_event_id_idx ON webhook_deliveries (tenant_id, event_id);

ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON webhook_deliveries TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON webhook_deliveries TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT ON webhook_deliveries TO gatehouse_app;
GRANT SELECT, INSERT,
  UPDATE (status, attempts, next_attempt_at, last_attempt_at, last_status_code, last_error, ended_at)
  ON webhook_deliveries TO gatehouse_definer;
