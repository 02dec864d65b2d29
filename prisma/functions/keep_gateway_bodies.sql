-- Keeps the bodies of a gateway's call for as many days as the gateway now says; not at all if it is gone or says none.
CREATE OR REPLACE FUNCTION keep_gateway_bodies(p_id uuid, p_tenant_id text, p_gateway_id text, p_request bytea, p_response bytea)
  RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    INSERT INTO gateway_call_bodies (id, tenant_id, gateway_id, request, response, expires_at)
    SELECT p_id, g.tenant_id, g.id, p_request, p_response,
           clock_timestamp() + make_interval(days => g.body_retention_days)
    FROM gateways g
    WHERE g.tenant_id = p_tenant_id AND g.id = p_gateway_id AND g.body_retention_days IS NOT NULL
    ON CONFLICT (id) DO NOTHING
  $$;

REVOKE EXECUTE ON FUNCTION keep_gateway_bodies FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_gateway_bodies TO gatehouse_app;
ALTER FUNCTION keep_gateway_bodies OWNER TO gatehouse_definer;
