-- Whether a gateway, or a token of one, is the current tenant's and so can have a budget. Holds it until the transaction ends.
-- Runs with its caller's rights.
CREATE OR REPLACE FUNCTION has_budget_holder(p_holder text) RETURNS boolean
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_id text := split_part(p_holder, ':', 2);
BEGIN
  IF p_holder = 'gateway:' || v_id THEN
    PERFORM 1 FROM gateways g WHERE g.tenant_id = current_tenant_id() AND g.id = v_id FOR KEY SHARE;
    RETURN FOUND;
  END IF;
  PERFORM 1 FROM gateway_tokens t
    WHERE p_holder = 'gateway_token:' || v_id AND t.tenant_id = current_tenant_id() AND t.id = v_id FOR KEY SHARE;
  RETURN FOUND;
END
$$;

REVOKE EXECUTE ON FUNCTION has_budget_holder FROM PUBLIC;
GRANT EXECUTE ON FUNCTION has_budget_holder TO gatehouse_app;
