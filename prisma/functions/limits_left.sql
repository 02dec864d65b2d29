-- What is left of a human's limits: [{"type", "microUnits"}]. Below 0 where calls used more than they had reserved.
-- Runs with its caller's rights.
CREATE OR REPLACE FUNCTION limits_left(p_tenant_id text, p_human_id text) RETURNS jsonb
  LANGUAGE sql STABLE
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('type', b.type, 'microUnits', (b.amount
             + CASE WHEN b.raise_until > ledger_now() THEN b.raise_by ELSE 0 END - b.used)::text)), '[]')
    FROM budgets b
    WHERE b.tenant_id = p_tenant_id AND b.holder = 'human:' || p_human_id AND b.period = 'NONE' AND b.models IS NULL
  $$;

REVOKE EXECUTE ON FUNCTION limits_left FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limits_left TO gatehouse_app;
