-- Whether a gateway of the current tenant takes calls without authentication and has no budget that bounds it. The gateway is
-- locked first, so that of two transactions that delete a budget the second one sees the first. Runs with its caller's rights.
CREATE OR REPLACE FUNCTION is_gateway_boundless(p_holder text) RETURNS boolean
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  IF split_part(p_holder, ':', 1) <> 'gateway' THEN
    RETURN false;
  END IF;
  PERFORM 1 FROM gateways g
    WHERE g.tenant_id = current_tenant_id() AND g.id = split_part(p_holder, ':', 2) AND NOT g.authenticated
    FOR NO KEY UPDATE;
  RETURN FOUND AND NOT EXISTS (
    SELECT FROM budgets b
    WHERE b.tenant_id = current_tenant_id() AND b.holder = p_holder AND b.is_metered AND b.models IS NULL);
END
$$;

REVOKE EXECUTE ON FUNCTION is_gateway_boundless FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_gateway_boundless TO gatehouse_app;
