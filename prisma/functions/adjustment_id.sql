-- The id of a call's correction: a UUID of version 7 with the call's own time, so that it is in the call's partition, whose
-- primary key keeps it unique. Its other bits are a hash of the call's id.
CREATE OR REPLACE FUNCTION adjustment_id(p_id uuid) RETURNS uuid
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$
    SELECT (left(replace(p_id::text, '-', ''), 12) || '7' || substr(h.hash, 1, 3) || '8' || substr(h.hash, 4, 15))::uuid
    FROM md5('adjustment:' || p_id) AS h (hash)
  $$;

REVOKE EXECUTE ON FUNCTION adjustment_id FROM PUBLIC;
GRANT EXECUTE ON FUNCTION adjustment_id TO gatehouse_definer;
