-- One limit of a list of them; null: the list does not have it, or gives it no value.
CREATE OR REPLACE FUNCTION limit_of(p_limits jsonb, p_type text) RETURNS bigint
  LANGUAGE sql IMMUTABLE
  SET search_path = pg_catalog, pg_temp
  AS $$
    SELECT (l.one ->> 'microUnits')::bigint FROM jsonb_array_elements(p_limits) AS l (one) WHERE l.one ->> 'type' = p_type
  $$;

REVOKE EXECUTE ON FUNCTION limit_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limit_of TO gatehouse_app, gatehouse_definer;
