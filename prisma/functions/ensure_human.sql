-- The id of a human of the current tenant; a new human is created. Holds the row until the transaction ends.
-- Runs with its caller's rights.
CREATE OR REPLACE FUNCTION ensure_human(p_human text, p_key_id text) RETURNS text
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_id text;
BEGIN
  -- Repeats if the human was erased between the two statements.
  LOOP
    SELECT h.id INTO v_id FROM humans h WHERE h.tenant_id = current_tenant_id() AND h.human = p_human FOR KEY SHARE;
    IF FOUND THEN
      RETURN v_id;
    END IF;
    PERFORM add_humans(ARRAY[current_tenant_id()], ARRAY[p_human], ARRAY[p_key_id]);
  END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION ensure_human FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_human TO gatehouse_app;
