-- Moves a key that was just presented to the current pepper, so that an old pepper can be retired.
CREATE OR REPLACE FUNCTION rehash_api_key(p_old_hash bytea, p_new_hash bytea, p_new_version integer) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE api_keys SET hash = p_new_hash, pepper_version = p_new_version WHERE hash = p_old_hash;
    UPDATE api_key_retired_secrets SET hash = p_new_hash, pepper_version = p_new_version WHERE hash = p_old_hash;
  $$;

REVOKE EXECUTE ON FUNCTION rehash_api_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rehash_api_key TO gatehouse_app;
ALTER FUNCTION rehash_api_key OWNER TO gatehouse_definer;
