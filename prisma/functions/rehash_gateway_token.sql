-- Moves a token that was just presented to the current pepper, so that an old pepper can be retired.
CREATE OR REPLACE FUNCTION rehash_gateway_token(p_old_hash bytea, p_new_hash bytea, p_new_version integer) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE gateway_tokens SET hash = p_new_hash, pepper_version = p_new_version WHERE hash = p_old_hash
  $$;

REVOKE EXECUTE ON FUNCTION rehash_gateway_token FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rehash_gateway_token TO gatehouse_app;
ALTER FUNCTION rehash_gateway_token OWNER TO gatehouse_definer;
