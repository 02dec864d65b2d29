-- The foundation: people, orgs, tenants, keys, the ledger and its leases, request windows.
--
-- Two roles, both without BYPASSRLS and owning no table:
--   gatehouse_app      the service itself; sees one tenant at a time, named by the setting app.tenant_id of its transaction
--   gatehouse_definer  NOLOGIN; owns the few functions that must look before a tenant is known, or across tenants
-- Row-level security is enabled and forced on every table. test/contracts/ lists each table, policy and function.

-- Roles are the cluster's, not the database's: another database of this cluster may have made them already, even at
-- this moment.
DO $$
BEGIN
  BEGIN
    CREATE ROLE gatehouse_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
  END;
  BEGIN
    CREATE ROLE gatehouse_definer NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
  END;
  -- The owner may become both: the service's connections switch to gatehouse_app, and functions are handed to
  -- gatehouse_definer. A superuser needs no grant.
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT gatehouse_app, gatehouse_definer TO %I', current_user)
      || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
  END IF;
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO gatehouse_app, gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- tables

CREATE TABLE users (
  id         text PRIMARY KEY,
  email      text,
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE orgs (
  id         text PRIMARY KEY,
  name       text NOT NULL,
  slug       text NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX orgs_slug_key ON orgs (slug);

CREATE TABLE tenants (
  id         text PRIMARY KEY,
  org_id     text NOT NULL REFERENCES orgs (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  name       text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX tenants_org_id_id_key ON tenants (org_id, id);

CREATE TABLE memberships (
  org_id     text NOT NULL REFERENCES orgs (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  user_id    text NOT NULL REFERENCES users (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  role       text NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (org_id, user_id)
);
CREATE INDEX memberships_user_id_idx ON memberships (user_id);

CREATE TABLE claim_writes (
  id              uuid PRIMARY KEY,
  user_id         text NOT NULL REFERENCES users (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  claims          jsonb NOT NULL,
  attempts        integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  created_at      timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX claim_writes_next_attempt_at_idx ON claim_writes (next_attempt_at);

CREATE TABLE api_keys (
  id                  text PRIMARY KEY,
  tenant_id           text NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  type                text NOT NULL CHECK (type IN ('SECRET', 'PUBLISHABLE')),
  name                text NOT NULL,
  description         text NOT NULL DEFAULT '',
  key_prefix          text NOT NULL,
  hash                bytea NOT NULL,
  pepper_version      integer NOT NULL,
  scopes              text[],
  requests_per_minute integer CHECK (requests_per_minute > 0),
  expires_at          timestamptz(3),
  revoked_at          timestamptz(3),
  created_by          text NOT NULL,
  created_at          timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at          timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  last_used_at        timestamptz(3)
);
CREATE UNIQUE INDEX api_keys_hash_key ON api_keys (hash);
CREATE UNIQUE INDEX api_keys_tenant_id_id_key ON api_keys (tenant_id, id);
CREATE INDEX api_keys_tenant_id_created_at_id_idx ON api_keys (tenant_id, created_at DESC, id DESC);

-- No foreign keys: the ledger outlives what it names, and a check per call would lock the key's row for every call.
-- A quarter of each page stays free, so that settling updates a row in place: no column that a settle changes is indexed.
CREATE TABLE usage_records (
  id              uuid PRIMARY KEY,
  tenant_id       text NOT NULL,
  kind            text NOT NULL DEFAULT 'CALL' CHECK (kind IN ('CALL', 'ADJUSTMENT')),
  adjusts         uuid,
  key_id          text,
  user_id         text,
  request_id      text NOT NULL,
  provider        text NOT NULL,
  model           text NOT NULL,
  streamed        boolean NOT NULL,
  state           text NOT NULL DEFAULT 'RESERVED' CHECK (state IN ('RESERVED', 'SETTLED', 'SWEPT')),
  outcome         text,
  status_code     integer,
  reserved_input_tokens  bigint NOT NULL CHECK (reserved_input_tokens >= 0),
  reserved_output_tokens bigint NOT NULL CHECK (reserved_output_tokens >= 0),
  input_tokens    bigint NOT NULL DEFAULT 0,
  output_tokens   bigint NOT NULL DEFAULT 0,
  estimated       boolean NOT NULL DEFAULT false,
  latency_ms      integer,
  lease_id        uuid NOT NULL,
  created_at      timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  settled_at      timestamptz(3)
) WITH (fillfactor = 75);
CREATE INDEX usage_records_lease_id_created_at_idx ON usage_records (lease_id, created_at);
CREATE INDEX usage_records_tenant_id_created_at_idx ON usage_records (tenant_id, created_at);

CREATE TABLE process_leases (
  id             uuid PRIMARY KEY,
  started_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  renewed_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  oldest_open_at timestamptz(3),
  ended_at       timestamptz(3),
  swept_at       timestamptz(3)
);

CREATE UNLOGGED TABLE rate_windows (
  key       text PRIMARY KEY,
  opened_at timestamptz(3) NOT NULL,
  before    integer NOT NULL DEFAULT 0,
  used      integer NOT NULL
) WITH (fillfactor = 50);

-- ---------------------------------------------------------------------------------------------------- isolation

CREATE FUNCTION current_tenant_id() RETURNS text
  LANGUAGE sql STABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT nullif(current_setting('app.tenant_id', true), '') $$;
REVOKE EXECUTE ON FUNCTION current_tenant_id() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_tenant_id() TO gatehouse_app, gatehouse_definer;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['users', 'orgs', 'tenants', 'memberships', 'claim_writes', 'api_keys', 'usage_records',
                              'process_leases', 'rate_windows']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['users', 'orgs', 'tenants', 'memberships', 'claim_writes', 'api_keys', 'usage_records',
                              'process_leases', 'rate_windows']
  LOOP
    EXECUTE format('CREATE POLICY definer ON %I TO gatehouse_definer USING (true) WITH CHECK (true)', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['api_keys', 'usage_records']
  LOOP
    EXECUTE format('CREATE POLICY tenant ON %I TO gatehouse_app USING (tenant_id = current_tenant_id()) '
                   'WITH CHECK (tenant_id = current_tenant_id())', name);
  END LOOP;
END
$$;

-- An org's rows are seen from any of its tenants. The inner look-ups run under the same policies.
CREATE POLICY tenant ON tenants TO gatehouse_app USING (id = current_tenant_id()) WITH CHECK (id = current_tenant_id());
CREATE POLICY tenant ON orgs TO gatehouse_app USING (id = (SELECT org_id FROM tenants WHERE tenants.id = current_tenant_id()));
CREATE POLICY tenant ON memberships TO gatehouse_app
  USING (org_id = (SELECT org_id FROM tenants WHERE tenants.id = current_tenant_id()));
CREATE POLICY tenant ON users TO gatehouse_app USING (id IN (SELECT user_id FROM memberships));

-- Rights are given one by one. The app writes only what people manage; the ledger, the leases and the windows it
-- reaches through functions alone.
GRANT SELECT ON users, orgs, tenants, memberships, usage_records TO gatehouse_app;
GRANT SELECT, INSERT ON api_keys TO gatehouse_app;
GRANT UPDATE (name, description, scopes, requests_per_minute, expires_at, revoked_at, updated_at) ON api_keys TO gatehouse_app;

GRANT SELECT, INSERT ON users, orgs, tenants, memberships TO gatehouse_definer;
GRANT SELECT, INSERT, UPDATE, DELETE ON claim_writes, process_leases, rate_windows TO gatehouse_definer;
GRANT SELECT, UPDATE (hash, pepper_version, last_used_at) ON api_keys TO gatehouse_definer;
GRANT SELECT, INSERT, UPDATE ON usage_records TO gatehouse_definer;
GRANT UPDATE (email) ON users TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- revocation

-- Whatever changes a credential or a membership tells every replica, in the transaction that changes it. The payload
-- is `<topic>:<tag>`; `last_used_at` is not among the columns, so that use tells nobody.
CREATE FUNCTION announce_api_key() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'api-key:' || OLD.id);
  RETURN NULL;
END
$$;
CREATE TRIGGER announce_change
  AFTER DELETE OR UPDATE OF hash, scopes, requests_per_minute, expires_at, revoked_at, tenant_id, type ON api_keys
  FOR EACH ROW EXECUTE FUNCTION announce_api_key();

CREATE FUNCTION announce_membership() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'membership:' || OLD.org_id || ':' || OLD.user_id);
  RETURN NULL;
END
$$;
CREATE TRIGGER announce_change
  AFTER DELETE OR UPDATE ON memberships
  FOR EACH ROW EXECUTE FUNCTION announce_membership();

-- ---------------------------------------------------------------------------------------------------- functions
-- Each looks before a tenant is known, or across tenants. All belong to gatehouse_definer, fix their search_path, and
-- are executable by gatehouse_app alone.

-- A credential look-up: at most one row, for whichever pepper version the key was stored under.
CREATE FUNCTION find_api_key(p_hashes bytea[])
  RETURNS TABLE (id text, tenant_id text, type text, hash bytea, pepper_version integer, scopes text[],
                 requests_per_minute integer, expires_at timestamptz, revoked_at timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT k.id, k.tenant_id, k.type, k.hash, k.pepper_version, k.scopes, k.requests_per_minute, k.expires_at, k.revoked_at
    FROM api_keys k WHERE k.hash = ANY (p_hashes) LIMIT 1
  $$;

-- Moves a key that was just presented to the current pepper, so that an old pepper can be retired.
CREATE FUNCTION rehash_api_key(p_old_hash bytea, p_new_hash bytea, p_new_version integer) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE api_keys SET hash = p_new_hash, pepper_version = p_new_version WHERE hash = p_old_hash
  $$;

-- When keys were last used, many at once; never moves backwards.
CREATE FUNCTION touch_api_keys(p_ids text[], p_used_at timestamptz[]) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE api_keys k SET last_used_at = t.used_at
    FROM unnest(p_ids, p_used_at) AS t (id, used_at)
    WHERE k.id = t.id AND (k.last_used_at IS NULL OR k.last_used_at < t.used_at)
  $$;

CREATE FUNCTION find_membership(p_tenant_id text, p_user_id text) RETURNS TABLE (org_id text, role text)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT m.org_id, m.role FROM tenants t JOIN memberships m ON m.org_id = t.org_id
    WHERE t.id = p_tenant_id AND m.user_id = p_user_id
  $$;

-- Org, first tenant, owner and the outbox row of the claims, all or nothing. `result` is one of
--   created        made now
--   repeated       the same user made the same-named org before: that one, its claims queued again
--   has_org        the user belongs to an org already
--   slug_taken
-- Two calls of one user wait for each other. Where there is no org to answer, nothing is written.
CREATE FUNCTION create_org(p_user_id text, p_email text, p_has_claim boolean, p_org_id text, p_tenant_id text, p_name text,
                           p_slug text, p_claim_write_id uuid)
  RETURNS TABLE (result text, org_id text, tenant_id text, name text, slug text, created_at timestamptz, role text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_org orgs%ROWTYPE;
  v_role text;
  v_tenant_id text;
  v_result text := 'created';
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('create_org:' || p_user_id, 0));

  SELECT m.role INTO v_role FROM memberships m WHERE m.user_id = p_user_id ORDER BY m.created_at LIMIT 1;
  IF FOUND THEN
    SELECT o.* INTO v_org FROM orgs o JOIN memberships m ON m.org_id = o.id
      WHERE m.user_id = p_user_id AND o.created_by = p_user_id AND o.name = p_name AND NOT p_has_claim
      ORDER BY o.created_at LIMIT 1;
    IF NOT FOUND THEN
      RETURN QUERY SELECT 'has_org'::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::timestamptz, NULL::text;
      RETURN;
    END IF;
    v_result := 'repeated';
    SELECT m.role INTO v_role FROM memberships m WHERE m.user_id = p_user_id AND m.org_id = v_org.id;
    SELECT t.id INTO v_tenant_id FROM tenants t WHERE t.org_id = v_org.id ORDER BY t.created_at, t.id LIMIT 1;
  ELSE
    INSERT INTO orgs (id, name, slug, created_by) VALUES (p_org_id, p_name, p_slug, p_user_id)
      ON CONFLICT (slug) DO NOTHING RETURNING * INTO v_org;
    IF NOT FOUND THEN
      RETURN QUERY SELECT 'slug_taken'::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::timestamptz, NULL::text;
      RETURN;
    END IF;
    v_tenant_id := p_tenant_id;
    v_role := 'owner';
    INSERT INTO users (id, email) VALUES (p_user_id, p_email)
      ON CONFLICT (id) DO UPDATE SET email = coalesce(excluded.email, users.email);
    INSERT INTO tenants (id, org_id, name) VALUES (p_tenant_id, p_org_id, p_name);
    INSERT INTO memberships (org_id, user_id, role) VALUES (p_org_id, p_user_id, 'owner');
  END IF;

  INSERT INTO claim_writes (id, user_id, claims, next_attempt_at)
    VALUES (p_claim_write_id, p_user_id, jsonb_build_object('tenant_id', v_tenant_id, 'role', v_role),
            clock_timestamp() + interval '15 seconds');
  RETURN QUERY SELECT v_result, v_org.id, v_tenant_id, v_org.name, v_org.slug, v_org.created_at::timestamptz, v_role;
END
$$;

-- Claim writes that are due, handed to one worker: each comes back later (backing off to an hour) unless it is done by then.
CREATE FUNCTION take_claim_writes(p_limit integer) RETURNS TABLE (id uuid, user_id text, claims jsonb, attempts integer)
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE claim_writes w
    SET attempts = w.attempts + 1,
        next_attempt_at = clock_timestamp() + least(interval '1 hour', interval '5 seconds' * power(2, least(w.attempts, 10)))
    FROM (SELECT c.id FROM claim_writes c WHERE c.next_attempt_at <= clock_timestamp()
          ORDER BY c.next_attempt_at LIMIT p_limit FOR UPDATE SKIP LOCKED) AS due
    WHERE w.id = due.id
    RETURNING w.id, w.user_id, w.claims, w.attempts
  $$;

CREATE FUNCTION finish_claim_write(p_id uuid) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ DELETE FROM claim_writes WHERE id = p_id $$;

-- Reservations of many calls, committed together. An id that is there already is left as it is: a retry after an
-- unknown commit counts once. False, and nothing written: the lease is not alive, so that nobody would sweep them.
CREATE FUNCTION reserve_usage(p_lease_id uuid, p_ids uuid[], p_tenant_ids text[], p_key_ids text[], p_user_ids text[],
                              p_request_ids text[], p_providers text[], p_models text[], p_streamed boolean[],
                              p_reserved_input_tokens bigint[], p_reserved_output_tokens bigint[]) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM 1 FROM process_leases l WHERE l.id = p_lease_id AND l.ended_at IS NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO usage_records (id, tenant_id, key_id, user_id, request_id, provider, model, streamed,
                             reserved_input_tokens, reserved_output_tokens, lease_id, created_at)
  SELECT r.id, r.tenant_id, r.key_id, r.user_id, r.request_id, r.provider, r.model, r.streamed,
         r.reserved_input_tokens, r.reserved_output_tokens, p_lease_id, clock_timestamp()
  FROM unnest(p_ids, p_tenant_ids, p_key_ids, p_user_ids, p_request_ids, p_providers, p_models, p_streamed,
              p_reserved_input_tokens, p_reserved_output_tokens)
    AS r (id, tenant_id, key_id, user_id, request_id, provider, model, streamed, reserved_input_tokens,
          reserved_output_tokens)
  ON CONFLICT (id) DO NOTHING;
  RETURN true;
END
$$;

-- Settles many calls. RESERVED → SETTLED happens once. A row that the sweeper charged meanwhile stays as it is and is
-- corrected once, by an adjustment whose id follows from the row's: the two together tell the truth. Two statements, so
-- that the second sees what a sweeper did while the first waited for its row.
CREATE FUNCTION settle_usage(p_ids uuid[], p_outcomes text[], p_status_codes integer[], p_input_tokens bigint[],
                             p_output_tokens bigint[], p_estimated boolean[], p_latency_ms integer[]) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_settled integer;
BEGIN
  UPDATE usage_records r
  SET state = 'SETTLED', outcome = t.outcome, status_code = t.status_code, input_tokens = t.input_tokens,
      output_tokens = t.output_tokens, estimated = t.estimated, latency_ms = t.latency_ms, settled_at = clock_timestamp()
  FROM unnest(p_ids, p_outcomes, p_status_codes, p_input_tokens, p_output_tokens, p_estimated, p_latency_ms)
    AS t (id, outcome, status_code, input_tokens, output_tokens, estimated, latency_ms)
  WHERE r.id = t.id AND r.state = 'RESERVED';
  GET DIAGNOSTICS v_settled = ROW_COUNT;
  IF v_settled = cardinality(p_ids) THEN
    RETURN;
  END IF;
  INSERT INTO usage_records (id, tenant_id, kind, adjusts, key_id, user_id, request_id, provider, model, streamed, state,
                             outcome, status_code, reserved_input_tokens, reserved_output_tokens, input_tokens,
                             output_tokens, estimated, latency_ms, lease_id, settled_at)
  SELECT md5('adjustment:' || r.id)::uuid, r.tenant_id, 'ADJUSTMENT', r.id, r.key_id, r.user_id, r.request_id, r.provider,
         r.model, r.streamed, 'SETTLED', t.outcome, t.status_code, 0, 0, t.input_tokens - r.input_tokens,
         t.output_tokens - r.output_tokens, t.estimated, t.latency_ms, r.lease_id, clock_timestamp()
  FROM unnest(p_ids, p_outcomes, p_status_codes, p_input_tokens, p_output_tokens, p_estimated, p_latency_ms)
    AS t (id, outcome, status_code, input_tokens, output_tokens, estimated, latency_ms)
  JOIN usage_records r ON r.id = t.id
  WHERE r.state = 'SWEPT'
  ON CONFLICT (id) DO NOTHING;
END
$$;

-- Takes or renews a process's lease, by this database's clock. False: the lease was declared dead meanwhile, and its
-- reservations may have been swept; the process takes a new one. The age of its oldest open call comes in milliseconds,
-- since a process's own clock may be wrong.
CREATE FUNCTION renew_lease(p_id uuid, p_oldest_open_ms double precision) RETURNS boolean
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    INSERT INTO process_leases (id, renewed_at, oldest_open_at)
    VALUES (p_id, clock_timestamp(), clock_timestamp() - p_oldest_open_ms * interval '1 millisecond')
    ON CONFLICT (id) DO UPDATE
      SET renewed_at = clock_timestamp(), oldest_open_at = excluded.oldest_open_at
      WHERE process_leases.ended_at IS NULL
    RETURNING true
  $$;

-- A process that stops in good order ends its lease; what it left unsettled is swept at once.
CREATE FUNCTION end_lease(p_id uuid) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ UPDATE process_leases SET ended_at = clock_timestamp() WHERE id = p_id AND ended_at IS NULL $$;

-- Charges what dead processes left open its whole reservation, marked SWEPT and ORPHANED. Only leases that nobody
-- renewed for p_term are declared dead, and a dead lease never lives again (renew_lease), so that a live process's
-- calls, however long, are never touched. Rows are looked for from a little before the oldest call that the lease had
-- open at its last renewal. A lease is swept again for two minutes after its end, for the reservation that was being
-- written while the lease ended; later ones are refused by reserve_usage.
CREATE FUNCTION sweep_usage(p_term interval) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_lease record;
  v_count integer := 0;
  v_swept integer;
BEGIN
  UPDATE process_leases SET ended_at = clock_timestamp()
  WHERE ended_at IS NULL AND renewed_at < clock_timestamp() - p_term;

  FOR v_lease IN SELECT l.id, l.renewed_at, l.oldest_open_at FROM process_leases l WHERE l.ended_at > clock_timestamp() - interval '2 minutes' OR l.ended_at IS NOT NULL AND l.swept_at IS NULL
                 ORDER BY l.id FOR UPDATE SKIP LOCKED
  LOOP
    UPDATE usage_records r
    SET state = 'SWEPT', outcome = 'ORPHANED', input_tokens = r.reserved_input_tokens,
        output_tokens = r.reserved_output_tokens, estimated = true,
        settled_at = clock_timestamp()
    WHERE r.lease_id = v_lease.id AND r.state = 'RESERVED'
      AND r.created_at >= coalesce(v_lease.oldest_open_at, v_lease.renewed_at) - interval '1 minute';
    GET DIAGNOSTICS v_swept = ROW_COUNT;
    v_count := v_count + v_swept;
    UPDATE process_leases l SET swept_at = clock_timestamp() WHERE l.id = v_lease.id;
  END LOOP;

  DELETE FROM process_leases l WHERE l.ended_at < clock_timestamp() - interval '1 hour';
  RETURN v_count;
END
$$;

-- Takes places in request windows, many keys at once: `wanted` places of at most `limit_value` each. A window opens with
-- the first request after the last one closed, by this database's clock. Gives what was taken before (`before`), what
-- is taken now (`used`): used - before places were granted, refused ones are not counted. Keys come sorted, so that two
-- batches lock rows in the same order.
CREATE FUNCTION take_rate_windows(p_keys text[], p_wanted integer[], p_limits integer[], p_window interval)
  RETURNS TABLE (key text, before integer, used integer, resets_at timestamptz)
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    INSERT INTO rate_windows AS w (key, opened_at, before, used)
    SELECT t.key, clock_timestamp(), 0, least(t.wanted, t.limit_value)
    FROM unnest(p_keys, p_wanted, p_limits) AS t (key, wanted, limit_value)
    ORDER BY t.key
    ON CONFLICT (key) DO UPDATE SET
      opened_at = CASE WHEN w.opened_at + p_window <= excluded.opened_at THEN excluded.opened_at ELSE w.opened_at END,
      before = CASE WHEN w.opened_at + p_window <= excluded.opened_at THEN 0 ELSE w.used END,
      used = CASE
        WHEN w.opened_at + p_window <= excluded.opened_at THEN excluded.used
        ELSE greatest(w.used, least(
          w.used + p_wanted[array_position(p_keys, w.key)], p_limits[array_position(p_keys, w.key)]))
      END
    RETURNING w.key, w.before, w.used, w.opened_at + p_window
  $$;

-- Forgets windows that closed.
CREATE FUNCTION prune_rate_windows(p_window interval) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    DELETE FROM rate_windows WHERE key IN (
      SELECT w.key FROM rate_windows w WHERE w.opened_at + p_window * 2 < clock_timestamp() FOR UPDATE SKIP LOCKED)
  $$;

-- To become another role's, a function needs its new owner to have CREATE on the schema for a moment.
GRANT CREATE ON SCHEMA public TO gatehouse_definer;
DO $$
DECLARE
  signature text;
BEGIN
  FOREACH signature IN ARRAY ARRAY[
    'find_api_key(bytea[])',
    'rehash_api_key(bytea, bytea, integer)',
    'touch_api_keys(text[], timestamptz[])',
    'find_membership(text, text)',
    'create_org(text, text, boolean, text, text, text, text, uuid)',
    'take_claim_writes(integer)',
    'finish_claim_write(uuid)',
    'reserve_usage(uuid, uuid[], text[], text[], text[], text[], text[], text[], boolean[], bigint[], bigint[])',
    'settle_usage(uuid[], text[], integer[], bigint[], bigint[], boolean[], integer[])',
    'renew_lease(uuid, double precision)',
    'end_lease(uuid)',
    'sweep_usage(interval)',
    'take_rate_windows(text[], integer[], integer[], interval)',
    'prune_rate_windows(interval)'
  ]
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO gatehouse_app', signature);
    EXECUTE format('ALTER FUNCTION %s OWNER TO gatehouse_definer', signature);
  END LOOP;
END
$$;
REVOKE CREATE ON SCHEMA public FROM gatehouse_definer;
REVOKE EXECUTE ON FUNCTION announce_api_key(), announce_membership() FROM PUBLIC;
