-- The orgs that a user belongs to, newest first, each with its tenants.
CREATE OR REPLACE FUNCTION list_orgs(p_user_id text, p_before_created_at timestamptz, p_before_id text, p_limit integer)
  RETURNS TABLE (id text, name text, slug text, created_at timestamptz, role text, tenants jsonb)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT o.id, o.name, o.slug, o.created_at, m.role,
           (SELECT coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name) ORDER BY t.created_at, t.id), '[]')
            FROM tenants t WHERE t.org_id = o.id)
    FROM memberships m JOIN orgs o ON o.id = m.org_id
    WHERE m.user_id = p_user_id
      AND (p_before_id IS NULL OR (o.created_at, o.id) < (p_before_created_at, p_before_id))
    ORDER BY o.created_at DESC, o.id DESC LIMIT p_limit
  $$;

REVOKE EXECUTE ON FUNCTION list_orgs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION list_orgs TO gatehouse_app;
ALTER FUNCTION list_orgs OWNER TO gatehouse_definer;
