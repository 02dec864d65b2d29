-- Deletes old events, with their deliveries, and secrets whose overlap is over. Returns how many events;
-- `p_limit`: there may be more.
CREATE OR REPLACE FUNCTION prune_webhook_events(p_keep interval, p_limit integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_pruned integer;
BEGIN
  DELETE FROM webhook_events e USING (
    SELECT o.id FROM webhook_events o WHERE o.created_at < clock_timestamp() - p_keep
      -- Events with a pending delivery stay, however old they are.
      AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d
                      WHERE d.tenant_id = o.tenant_id AND d.event_id = o.id AND d.status = 'PENDING')
    ORDER BY o.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED) AS old
  WHERE e.id = old.id;
  GET DIAGNOSTICS v_pruned = ROW_COUNT;
  DELETE FROM webhook_secrets s WHERE s.expires_at < clock_timestamp();
  RETURN v_pruned;
END
$$;

REVOKE EXECUTE ON FUNCTION prune_webhook_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_webhook_events TO gatehouse_app;
ALTER FUNCTION prune_webhook_events OWNER TO gatehouse_definer;
