-- Deletes events of the audit log that are older than `p_keep`, at least 30 days. Returns how many; `p_limit`: there may be
-- more. Each tenant and org is searched by the index of its list, so that the log needs no other index.
CREATE OR REPLACE FUNCTION prune_audit_events(p_keep interval, p_limit integer) RETURNS integer
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    WITH edge AS (SELECT clock_timestamp() - greatest(p_keep, interval '30 days') AS at),
    old AS (
      SELECT a.id FROM edge CROSS JOIN tenants t CROSS JOIN LATERAL (
        SELECT e.id FROM audit_events e WHERE e.tenant_id = t.id AND e.org_id = t.org_id AND e.occurred_at < edge.at
        LIMIT p_limit) AS a
      UNION ALL
      SELECT a.id FROM edge CROSS JOIN orgs o CROSS JOIN LATERAL (
        SELECT e.id FROM audit_events e WHERE e.tenant_id IS NULL AND e.org_id = o.id AND e.occurred_at < edge.at
        LIMIT p_limit) AS a
      LIMIT p_limit),
    pruned AS (DELETE FROM audit_events e USING old WHERE e.id = old.id RETURNING 1)
    SELECT count(*)::integer FROM pruned
  $$;

REVOKE EXECUTE ON FUNCTION prune_audit_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_audit_events TO gatehouse_app;
ALTER FUNCTION prune_audit_events OWNER TO gatehouse_definer;
