-- Creates new humans, with the limits of the key that they came by, or else of their tenant: budgets of period NONE. Skips
-- humans who exist and tenants that are gone. Runs with its caller's rights.
CREATE OR REPLACE FUNCTION add_humans(p_tenant_ids text[], p_humans text[], p_key_ids text[]) RETURNS void
  LANGUAGE sql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    WITH named AS MATERIALIZED (
      SELECT r.tenant_id, r.human, 'hum_' || replace(gen_random_uuid()::text, '-', '') AS id,
             CASE WHEN k.unlimited THEN '[]' ELSE coalesce(nullif(k.default_limits, '[]'), t.default_limits, '[]') END AS limits
      FROM (SELECT DISTINCT ON (u.tenant_id, u.human) u.tenant_id, u.human, u.key_id
            FROM unnest(p_tenant_ids, p_humans, p_key_ids) AS u (tenant_id, human, key_id)
            WHERE u.human IS NOT NULL ORDER BY u.tenant_id, u.human) AS r
      JOIN tenants t ON t.id = r.tenant_id
      LEFT JOIN api_keys k ON k.tenant_id = r.tenant_id AND k.id = r.key_id),
    made AS (
      INSERT INTO humans (tenant_id, human, id)
      SELECT n.tenant_id, n.human, n.id FROM named n ORDER BY n.tenant_id, n.human
      ON CONFLICT (tenant_id, human) DO NOTHING
      RETURNING id)
    INSERT INTO budgets (id, tenant_id, holder, type, period, amount, starts_at)
    SELECT gen_random_uuid(), n.tenant_id, 'human:' || n.id, l.one ->> 'type', 'NONE', (l.one ->> 'microUnits')::bigint, ledger_now()
    FROM named n JOIN made m ON m.id = n.id CROSS JOIN jsonb_array_elements(n.limits) AS l (one)
    WHERE l.one ->> 'microUnits' IS NOT NULL
  $$;

REVOKE EXECUTE ON FUNCTION add_humans FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_humans TO gatehouse_app, gatehouse_definer;
