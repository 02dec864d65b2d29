-- The least UUID of version 7 at a moment: no id of the ledger from then on is below it.
CREATE OR REPLACE FUNCTION usage_id_floor(p_at timestamptz) RETURNS uuid
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT (lpad(to_hex(floor(extract(epoch FROM p_at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$;

REVOKE EXECUTE ON FUNCTION usage_id_floor FROM PUBLIC;
GRANT EXECUTE ON FUNCTION usage_id_floor TO gatehouse_definer;
