-- Makes humans at their first mention, with the limits of the key that they came by, or else of their tenant. Humans who
-- exist are left as they are, and so are tenants that are gone. Runs with its caller's rights.
CREATE OR REPLACE FUNCTION add_humans(p_tenant_ids text[], p_humans text[], p_key_ids text[]) RETURNS void
  LANGUAGE sql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    INSERT INTO humans (tenant_id, human, id, token_cnt, request_cnt, cost_micros, conversational_seconds,
                        voice_synthesis_seconds, memory_message_cnt)
    SELECT r.tenant_id, r.human, 'hum_' || replace(gen_random_uuid()::text, '-', ''), limit_of(d.limits, 'token_cnt'),
           limit_of(d.limits, 'request_cnt'), limit_of(d.limits, 'cost_micros'), limit_of(d.limits, 'conversational_seconds'),
           limit_of(d.limits, 'voice_synthesis_seconds'), limit_of(d.limits, 'memory_message_cnt')
    FROM (SELECT DISTINCT ON (u.tenant_id, u.human) u.tenant_id, u.human, u.key_id
          FROM unnest(p_tenant_ids, p_humans, p_key_ids) AS u (tenant_id, human, key_id)
          WHERE u.human IS NOT NULL ORDER BY u.tenant_id, u.human) AS r
    JOIN tenants t ON t.id = r.tenant_id
    LEFT JOIN api_keys k ON k.tenant_id = r.tenant_id AND k.id = r.key_id
    CROSS JOIN LATERAL (
      SELECT CASE WHEN k.unlimited THEN '[]' ELSE coalesce(nullif(k.default_limits, '[]'), t.default_limits, '[]') END AS limits
    ) AS d
    ORDER BY r.tenant_id, r.human
    ON CONFLICT (tenant_id, human) DO NOTHING
  $$;

REVOKE EXECUTE ON FUNCTION add_humans FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_humans TO gatehouse_app, gatehouse_definer;
