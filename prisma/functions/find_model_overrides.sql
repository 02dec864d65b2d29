-- A tenant's model overrides. Read before a call enters a tenant's transaction.
CREATE OR REPLACE FUNCTION find_model_overrides(p_tenant_id text)
  RETURNS TABLE (model text, context_tokens integer, max_output_tokens integer, hides_reasoning boolean, input_pico_usd bigint,
                 cached_input_pico_usd bigint, cache_write_pico_usd bigint, output_pico_usd bigint, price_as_of text)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT o.model, o.context_tokens, o.max_output_tokens, o.hides_reasoning, o.input_pico_usd, o.cached_input_pico_usd,
           o.cache_write_pico_usd, o.output_pico_usd, to_char(o.price_as_of, 'YYYY-MM-DD')
    FROM llm_model_overrides o WHERE o.tenant_id = p_tenant_id
  $$;

REVOKE EXECUTE ON FUNCTION find_model_overrides FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_model_overrides TO gatehouse_app;
ALTER FUNCTION find_model_overrides OWNER TO gatehouse_definer;
