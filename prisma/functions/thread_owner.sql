-- The owner of the threads that the current tenant's caller means: `p_owner`, or the human of this name, by the stored id.
-- Null: no such human. Runs with its caller's rights.
CREATE OR REPLACE FUNCTION thread_owner(p_owner text, p_human text) RETURNS text
  LANGUAGE sql STABLE
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT coalesce(p_owner, 'human:' || (
      SELECT h.id FROM humans h WHERE h.tenant_id = current_tenant_id() AND h.human = p_human))
  $$;

REVOKE EXECUTE ON FUNCTION thread_owner FROM PUBLIC;
GRANT EXECUTE ON FUNCTION thread_owner TO gatehouse_app;
