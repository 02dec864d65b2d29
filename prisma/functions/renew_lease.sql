-- Takes or renews a process's lease, by this database's clock. False: the lease was declared dead meanwhile, and its
-- reservations may have been swept; the process takes a new one. The age of its oldest open call is in milliseconds, since its
-- clock may be wrong. `p_term`: how long this lease lasts without a renewal.
CREATE OR REPLACE FUNCTION renew_lease(p_id uuid, p_oldest_open_ms double precision, p_term interval) RETURNS boolean
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    INSERT INTO process_leases (id, term, renewed_at, oldest_open_at)
    VALUES (p_id, p_term, clock_timestamp(), clock_timestamp() - p_oldest_open_ms * interval '1 millisecond')
    ON CONFLICT (id) DO UPDATE
      SET term = excluded.term, renewed_at = clock_timestamp(), oldest_open_at = excluded.oldest_open_at
      WHERE process_leases.ended_at IS NULL
    RETURNING true
  $$;

REVOKE EXECUTE ON FUNCTION renew_lease FROM PUBLIC;
GRANT EXECUTE ON FUNCTION renew_lease TO gatehouse_app;
ALTER FUNCTION renew_lease OWNER TO gatehouse_definer;
