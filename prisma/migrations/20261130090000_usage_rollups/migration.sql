-- What is left of the ledger's old months (decision 35).

-- ---------------------------------------------------------------------------------------------------- usage_records_retired

-- Months of the ledger that calls no longer look at: each was a partition of usage_records and now inherits from this table, until
-- its sums are in usage_rollups and it is dropped. It has the columns that sums are made of. A table that inherits has row-level
-- security forced, no policy and no grant, as a partition has: its rows are reached through this table alone.
CREATE TABLE usage_records_retired (
  id                  uuid PRIMARY KEY,
  tenant_id           text NOT NULL,
  kind                text NOT NULL,
  state               text NOT NULL,
  outcome             text,
  key_id              text,
  user_id             text,
  human_id            text,
  gateway_id          text,
  provider            text NOT NULL,
  model               text NOT NULL,
  operation           text NOT NULL,
  requests            smallint NOT NULL,
  input_tokens        bigint NOT NULL,
  output_tokens       bigint NOT NULL,
  cached_input_tokens bigint NOT NULL,
  cache_write_tokens  bigint NOT NULL,
  reasoning_tokens    bigint NOT NULL,
  cost_pico_usd       bigint,
  created_at          timestamptz(3) NOT NULL
);

ALTER TABLE usage_records_retired ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_records_retired FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON usage_records_retired TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON usage_records_retired TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT ON usage_records_retired TO gatehouse_app;
GRANT SELECT, DELETE ON usage_records_retired TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- usage_months

-- Months of the ledger that were retired. `rolled_to`: the id up to which the rows are in usage_rollups.
CREATE TABLE usage_months (
  month       date PRIMARY KEY,
  retired_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  rolled_to   uuid,
  rolled_rows bigint NOT NULL DEFAULT 0,
  rolled_at   timestamptz(3),
  dropped_at  timestamptz(3)
);

ALTER TABLE usage_months ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_months FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON usage_months TO gatehouse_definer USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE ON usage_months TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- usage_rollups

-- Sums of the ledger by quarter of an hour, in which the hours and days of every time zone begin. Those of calls count once their
-- month was dropped; `month` null: of reports, which were deleted in the same transaction. Several rows may be of one group.
CREATE TABLE usage_rollups (
  tenant_id           text NOT NULL,
  bucket              timestamptz(3) NOT NULL,
  id                  uuid NOT NULL DEFAULT gen_random_uuid(),
  month               date,
  key_id              text,
  user_id             text,
  human_id            text,
  gateway_id          text,
  provider            text,
  model               text,
  operation           text,
  outcome             text,
  calls               bigint,
  failed              bigint,
  requests            bigint,
  input_tokens        bigint,
  output_tokens       bigint,
  cached_input_tokens bigint,
  cache_write_tokens  bigint,
  reasoning_tokens    bigint,
  cost_pico_usd       numeric,
  unpriced            bigint,
  conversational      numeric,
  voice               numeric,
  memory              numeric,
  PRIMARY KEY (tenant_id, bucket, id)
);

ALTER TABLE usage_rollups ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_rollups FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON usage_rollups TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON usage_rollups TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT ON usage_rollups TO gatehouse_app;
GRANT SELECT, INSERT, DELETE ON usage_rollups TO gatehouse_definer;
