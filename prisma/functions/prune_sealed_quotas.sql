-- Deletes quotas whose windows have all ended, and revocations that are older than any token can be. Skips rows that are
-- being counted at the moment.
CREATE OR REPLACE FUNCTION prune_sealed_quotas() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  DELETE FROM sealed_quotas d
    USING (SELECT q.tenant_id, q.holder FROM sealed_quotas q
           WHERE greatest(q.ends_at[1], q.ends_at[2], q.ends_at[3]) < clock_timestamp() - interval '1 minute'
           ORDER BY q.tenant_id, q.holder LIMIT 10000 FOR UPDATE SKIP LOCKED) AS o
    WHERE d.tenant_id = o.tenant_id AND d.holder = o.holder;
  DELETE FROM sealed_revocations r WHERE r.created_at < clock_timestamp() - interval '400 days';
END
$$;

REVOKE EXECUTE ON FUNCTION prune_sealed_quotas FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_sealed_quotas TO gatehouse_app;
ALTER FUNCTION prune_sealed_quotas OWNER TO gatehouse_definer;
