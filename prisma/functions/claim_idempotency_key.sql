-- Claims an Idempotency-Key for this transaction, or returns the answer of the request that claimed it before. A second request
-- waits for the end of the first. A key is forgotten after a day.
CREATE OR REPLACE FUNCTION claim_idempotency_key(p_owner text, p_key text, p_tenant_id text, p_request_hash bytea)
  RETURNS TABLE (claimed boolean, same_request boolean, response jsonb)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  INSERT INTO idempotency_keys AS i (owner, key, tenant_id, request_hash, created_at)
    VALUES (p_owner, p_key, p_tenant_id, p_request_hash, clock_timestamp())
    ON CONFLICT (owner, key) DO UPDATE
      SET tenant_id = excluded.tenant_id, request_hash = excluded.request_hash, response = NULL,
          created_at = excluded.created_at
      WHERE i.created_at < clock_timestamp() - interval '24 hours';
  IF FOUND THEN
    RETURN QUERY SELECT true, true, NULL::jsonb;
  ELSE
    RETURN QUERY SELECT false, i.request_hash = p_request_hash, i.response FROM idempotency_keys i
      WHERE i.owner = p_owner AND i.key = p_key;
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION claim_idempotency_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_idempotency_key TO gatehouse_app;
ALTER FUNCTION claim_idempotency_key OWNER TO gatehouse_definer;
