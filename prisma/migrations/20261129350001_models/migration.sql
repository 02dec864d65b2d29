-- The models that a key may use, by the names that calls ask for; empty: any.
ALTER TABLE api_keys ADD COLUMN models text[] NOT NULL DEFAULT '{}';
GRANT UPDATE (models) ON api_keys TO gatehouse_app;

-- What a tenant says of a model instead of what is built in, field by field; null: as built in. Prices are those of a token,
-- in 10^-12 USD; they are set together.
CREATE TABLE llm_model_overrides (
  tenant_id             text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  model                 text NOT NULL,
  context_tokens        integer CHECK (context_tokens > 0),
  max_output_tokens     integer CHECK (max_output_tokens > 0),
  hides_reasoning       boolean,
  input_pico_usd        bigint CHECK (input_pico_usd >= 0),
  cached_input_pico_usd bigint CHECK (cached_input_pico_usd >= 0),
  cache_write_pico_usd  bigint CHECK (cache_write_pico_usd >= 0),
  output_pico_usd       bigint CHECK (output_pico_usd >= 0),
  price_as_of           date,
  updated_at            timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, model),
  CONSTRAINT llm_model_overrides_price_whole CHECK (
    (input_pico_usd IS NULL) = (output_pico_usd IS NULL) AND (input_pico_usd IS NULL) = (price_as_of IS NULL)
    AND (input_pico_usd IS NULL) = (cached_input_pico_usd IS NULL)
    AND (input_pico_usd IS NOT NULL OR cache_write_pico_usd IS NULL))
);

ALTER TABLE llm_model_overrides ENABLE ROW LEVEL SECURITY;
ALTER TABLE llm_model_overrides FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON llm_model_overrides TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON llm_model_overrides TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, DELETE,
  UPDATE (context_tokens, max_output_tokens, hides_reasoning, input_pico_usd, cached_input_pico_usd, cache_write_pico_usd,
          output_pico_usd, price_as_of, updated_at)
  ON llm_model_overrides TO gatehouse_app;
GRANT SELECT ON llm_model_overrides TO gatehouse_definer;
