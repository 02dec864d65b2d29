-- The tenant that queue_claims last found for a user; null: none, or no such user. It counts for users
-- whose tokens name no tenant.
CREATE OR REPLACE FUNCTION find_current_tenant(p_user_id text) RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ SELECT u.claimed_tenant_id FROM users u WHERE u.id = p_user_id $$;

REVOKE EXECUTE ON FUNCTION find_current_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_current_tenant TO gatehouse_app;
ALTER FUNCTION find_current_tenant OWNER TO gatehouse_definer;
