-- Humans' limits, usage tokens, what developers report. Roles, rights and the style of functions are the foundation's.

-- ---------------------------------------------------------------------------------------------------- tables

-- What a tenant's humans may use at first, as keys keep it: [{"type", "microUnits"}]; null: nothing limits them.
ALTER TABLE tenants ADD COLUMN default_limits jsonb;

-- A human's limits stand in its own row, so that one guarded write admits a call under all of them, or under none. Each is
-- the remaining allowance in millionths of its unit (of cost_micros: millionths of a micro-dollar); null: unlimited.
--   *_reserved  what open calls hold of it
--   *_epoch     grows with each set: a call that was admitted under an older one touches neither of the two
-- What is left may fall below 0, where the truth exceeded what was reserved: then nothing passes, and it is shown as 0.
-- `exceeded_told`: types of which the tenant's webhooks have heard since their last set.
ALTER TABLE humans
  ADD COLUMN token_cnt               bigint,
  ADD COLUMN token_cnt_reserved      bigint NOT NULL DEFAULT 0,
  ADD COLUMN token_cnt_epoch         bigint NOT NULL DEFAULT 0,
  ADD COLUMN request_cnt             bigint,
  ADD COLUMN request_cnt_reserved    bigint NOT NULL DEFAULT 0,
  ADD COLUMN request_cnt_epoch       bigint NOT NULL DEFAULT 0,
  ADD COLUMN cost_micros             bigint,
  ADD COLUMN cost_micros_reserved    bigint NOT NULL DEFAULT 0,
  ADD COLUMN cost_micros_epoch       bigint NOT NULL DEFAULT 0,
  ADD COLUMN conversational_seconds  bigint,
  ADD COLUMN voice_synthesis_seconds bigint,
  ADD COLUMN memory_message_cnt      bigint,
  ADD COLUMN exceeded_told           text[];
-- A settled row is a little longer than the reserved one was; with half of each page free it is changed in place, which
-- spares three indexes an entry each, and the table is no larger for it.
ALTER TABLE usage_records SET (fillfactor = 50);
-- Half of each page stays free, so that counting updates a row in place: no column that it changes is indexed.
ALTER TABLE humans SET (fillfactor = 50);
-- While nothing is known of a table's rows, Postgres takes any index that begins with the right column for as good as
-- another, and keeps to it. So each way to look a human up is left one index: by name the primary key, by id this one, and
-- for listings one that serves nothing else.
CREATE UNIQUE INDEX humans_id_tenant_id_key ON humans (id, tenant_id);
DROP INDEX humans_tenant_id_id_key;
CREATE INDEX humans_tenant_id_created_at_id_idx ON humans (tenant_id, created_at DESC, id DESC)
  WHERE created_at > '-infinity';

-- Secret keys too say how often each of their humans may call: by usage tokens that they made.
ALTER TABLE api_keys
  DROP CONSTRAINT api_keys_publishable_only,
  ADD CONSTRAINT api_keys_publishable_only CHECK (type = 'PUBLISHABLE' OR (oidc_issuer IS NULL
    AND default_limits IS NULL AND NOT unlimited));

-- The token itself is nowhere: its signature is ours, its life and its end are here.
CREATE TABLE usage_tokens (
  id         text PRIMARY KEY,
  tenant_id  text NOT NULL,
  key_id     text NOT NULL,
  human_id   text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz(3) NOT NULL,
  revoked_at timestamptz(3),
  FOREIGN KEY (tenant_id, key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE,
  FOREIGN KEY (human_id, tenant_id) REFERENCES humans (id, tenant_id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX usage_tokens_tenant_id_human_id_idx ON usage_tokens (tenant_id, human_id);
CREATE INDEX usage_tokens_tenant_id_key_id_idx ON usage_tokens (tenant_id, key_id);
CREATE INDEX usage_tokens_expires_at_idx ON usage_tokens (expires_at);

-- What a tenant's servers tell of usage that this service can't see. Part of the ledger, and like it without foreign keys.
CREATE TABLE usage_reports (
  id              uuid PRIMARY KEY,
  tenant_id       text NOT NULL,
  human_id        text NOT NULL,
  key_id          text,
  user_id         text,
  type            text NOT NULL CHECK (type IN ('conversational_seconds', 'voice_synthesis_seconds', 'memory_message_cnt')),
  micro_units     bigint NOT NULL CHECK (micro_units >= 0),
  idempotency_key text NOT NULL,
  created_at      timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX usage_reports_tenant_id_idempotency_key_key ON usage_reports (tenant_id, idempotency_key);
CREATE INDEX usage_reports_tenant_id_created_at_idx ON usage_reports (tenant_id, created_at);

-- Costs in millionths of a micro-dollar; null: the model has no price. `requests`: 0 where the upstream produced nothing.
-- `*_epoch`: the limit's at admission; null: the human had no such limit. Rows of before count as the requests they were.
ALTER TABLE usage_records
  ADD COLUMN reserved_cost_pico_usd bigint CHECK (reserved_cost_pico_usd >= 0),
  ADD COLUMN requests               smallint NOT NULL DEFAULT 1,
  ADD COLUMN cached_input_tokens    bigint NOT NULL DEFAULT 0,
  ADD COLUMN cost_pico_usd          bigint,
  ADD COLUMN token_cnt_epoch        bigint,
  ADD COLUMN request_cnt_epoch      bigint,
  ADD COLUMN cost_micros_epoch      bigint,
  ADD COLUMN overrun                boolean NOT NULL DEFAULT false;
ALTER TABLE usage_records ALTER COLUMN requests SET DEFAULT 0;
UPDATE usage_records SET requests = 0 WHERE kind = 'ADJUSTMENT';

-- ---------------------------------------------------------------------------------------------------- isolation

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['usage_tokens', 'usage_reports']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY definer ON %I TO gatehouse_definer USING (true) WITH CHECK (true)', name);
    EXECUTE format('CREATE POLICY tenant ON %I TO gatehouse_app USING (tenant_id = current_tenant_id()) '
                   'WITH CHECK (tenant_id = current_tenant_id())', name);
  END LOOP;
END
$$;

GRANT UPDATE (name, default_limits) ON tenants TO gatehouse_app;
GRANT INSERT, DELETE, UPDATE (token_cnt, token_cnt_reserved, token_cnt_epoch, request_cnt, request_cnt_reserved,
              request_cnt_epoch, cost_micros, cost_micros_reserved, cost_micros_epoch, conversational_seconds,
              voice_synthesis_seconds, memory_message_cnt, exceeded_told) ON humans TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE (expires_at, revoked_at) ON usage_tokens TO gatehouse_app;
GRANT SELECT, INSERT ON usage_reports TO gatehouse_app;

GRANT UPDATE (token_cnt, token_cnt_reserved, request_cnt, request_cnt_reserved, cost_micros, cost_micros_reserved,
              exceeded_told) ON humans TO gatehouse_definer;
-- A row is locked FOR UPDATE only by who may update it.
GRANT SELECT, UPDATE (revoked_at), DELETE ON usage_tokens TO gatehouse_definer;
GRANT SELECT, DELETE ON usage_reports TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- revocation

-- Replicas keep tokens by human and by key; a change of a key tells of itself. What was over before is kept nowhere: to
-- forget it tells nobody.
CREATE FUNCTION announce_usage_token() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'usage-token:' || OLD.human_id);
  RETURN NULL;
END
$$;
CREATE TRIGGER announce_change
  AFTER DELETE OR UPDATE OF expires_at, revoked_at ON usage_tokens
  FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND OLD.expires_at > clock_timestamp() - interval '1 minute') EXECUTE FUNCTION announce_usage_token();
REVOKE EXECUTE ON FUNCTION announce_usage_token() FROM PUBLIC;

-- ---------------------------------------------------------------------------------------------------- functions

-- Functions that change are made anew, and only their owner may drop them.
SET LOCAL ROLE gatehouse_definer;
DROP FUNCTION reserve_usage(uuid, uuid[], text[], text[], text[], text[], text[], text[], text[], boolean[], bigint[], bigint[], text[], text[]);
DROP FUNCTION settle_usage(uuid[], text[], integer[], bigint[], bigint[], boolean[], integer[]);
DROP FUNCTION sweep_usage(interval);
DROP FUNCTION record_impersonation(uuid, text, text, text, text, text, text);
DROP FUNCTION purge_tenant(text, uuid);
SET LOCAL ROLE NONE;

-- One limit of a list of them; null: it is not among them, or names no value.
CREATE FUNCTION limit_of(p_limits jsonb, p_type text) RETURNS bigint
  LANGUAGE sql IMMUTABLE
  SET search_path = pg_catalog, pg_temp
  AS $$
    SELECT (l.one ->> 'microUnits')::bigint FROM jsonb_array_elements(p_limits) AS l (one) WHERE l.one ->> 'type' = p_type
  $$;

-- Humans come to exist at first mention, with the limits of the key that they came by, else of their tenant; those who
-- exist are left as they are, and so are tenants that are gone. By its caller's rights.
CREATE FUNCTION add_humans(p_tenant_ids text[], p_humans text[], p_key_ids text[]) RETURNS void
  LANGUAGE sql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    INSERT INTO humans (tenant_id, human, id, token_cnt, request_cnt, cost_micros, conversational_seconds,
                        voice_synthesis_seconds, memory_message_cnt)
    SELECT r.tenant_id, r.human, 'hum_' || replace(gen_random_uuid()::text, '-', ''), limit_of(d.limits, 'token_cnt'),
           limit_of(d.limits, 'request_cnt'), limit_of(d.limits, 'cost_micros'), limit_of(d.limits, 'conversational_seconds'),
           limit_of(d.limits, 'voice_synthesis_seconds'), limit_of(d.limits, 'memory_message_cnt')
    FROM (SELECT DISTINCT ON (u.tenant_id, u.human) u.tenant_id, u.human, u.key_id
          FROM unnest(p_tenant_ids, p_humans, p_key_ids) AS u (tenant_id, human, key_id)
          WHERE u.human IS NOT NULL ORDER BY u.tenant_id, u.human) AS r
    JOIN tenants t ON t.id = r.tenant_id
    LEFT JOIN api_keys k ON k.tenant_id = r.tenant_id AND k.id = r.key_id
    CROSS JOIN LATERAL (
      SELECT CASE WHEN k.unlimited THEN '[]' ELSE coalesce(nullif(k.default_limits, '[]'), t.default_limits, '[]') END AS limits
    ) AS d
    ORDER BY r.tenant_id, r.human
    ON CONFLICT (tenant_id, human) DO NOTHING
  $$;

-- Sets the limits that are named, absolutely, and begins a new epoch of each; `microUnits` null removes one. By its
-- caller's rights, in the current tenant. False: there is no such human.
CREATE FUNCTION set_limits(p_human_id text, p_limits jsonb) RETURNS boolean
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_types text[] := ARRAY(SELECT l.one ->> 'type' FROM jsonb_array_elements(p_limits) AS l (one));
  v_token boolean := 'token_cnt' = ANY (v_types);
  v_request boolean := 'request_cnt' = ANY (v_types);
  v_cost boolean := 'cost_micros' = ANY (v_types);
BEGIN
  UPDATE humans h SET
    token_cnt = CASE WHEN v_token THEN limit_of(p_limits, 'token_cnt') ELSE h.token_cnt END,
    token_cnt_reserved = CASE WHEN v_token THEN 0 ELSE h.token_cnt_reserved END,
    token_cnt_epoch = h.token_cnt_epoch + v_token::integer,
    request_cnt = CASE WHEN v_request THEN limit_of(p_limits, 'request_cnt') ELSE h.request_cnt END,
    request_cnt_reserved = CASE WHEN v_request THEN 0 ELSE h.request_cnt_reserved END,
    request_cnt_epoch = h.request_cnt_epoch + v_request::integer,
    cost_micros = CASE WHEN v_cost THEN limit_of(p_limits, 'cost_micros') ELSE h.cost_micros END,
    cost_micros_reserved = CASE WHEN v_cost THEN 0 ELSE h.cost_micros_reserved END,
    cost_micros_epoch = h.cost_micros_epoch + v_cost::integer,
    conversational_seconds = CASE WHEN 'conversational_seconds' = ANY (v_types)
      THEN limit_of(p_limits, 'conversational_seconds') ELSE h.conversational_seconds END,
    voice_synthesis_seconds = CASE WHEN 'voice_synthesis_seconds' = ANY (v_types)
      THEN limit_of(p_limits, 'voice_synthesis_seconds') ELSE h.voice_synthesis_seconds END,
    memory_message_cnt = CASE WHEN 'memory_message_cnt' = ANY (v_types)
      THEN limit_of(p_limits, 'memory_message_cnt') ELSE h.memory_message_cnt END,
    exceeded_told = ARRAY(SELECT told FROM unnest(h.exceeded_told) AS told WHERE told <> ALL (v_types))
  WHERE h.tenant_id = current_tenant_id() AND h.id = p_human_id;
  RETURN FOUND;
END
$$;

-- A usage token that was not revoked, whose key was not revoked: at most one row. It ends with the key if that ends first.
CREATE FUNCTION find_usage_token(p_id text)
  RETURNS TABLE (id text, tenant_id text, key_id text, human_id text, human text, scopes text[],
                 requests_per_minute_per_human integer, expires_at timestamptz, expired boolean)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT u.id, u.tenant_id, u.key_id, u.human_id, h.human, k.scopes, k.requests_per_minute_per_human,
           least(u.expires_at, k.expires_at), least(u.expires_at, k.expires_at) <= clock_timestamp()
    FROM usage_tokens u
    JOIN api_keys k ON k.tenant_id = u.tenant_id AND k.id = u.key_id AND k.revoked_at IS NULL
    JOIN humans h ON h.tenant_id = u.tenant_id AND h.id = u.human_id
    WHERE u.id = p_id AND u.revoked_at IS NULL
  $$;

-- Forgets tokens that ended an hour ago: until then an expired one is told from one that never was.
CREATE FUNCTION prune_usage_tokens() RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    DELETE FROM usage_tokens WHERE id IN (
      SELECT u.id FROM usage_tokens u WHERE u.expires_at < clock_timestamp() - interval '1 hour'
      ORDER BY u.expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED)
  $$;

-- Nobody hears of anything before there are webhooks, whose migration makes these two anew.
CREATE FUNCTION enqueue_webhook_event(p_tenant_id text, p_type text, p_human_id text, p_payload jsonb) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ SELECT $$;
CREATE FUNCTION tell_usage(p_record_ids uuid[]) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ SELECT $$;

-- What a call that is over takes from its human's limits, and what it had reserved: in millionths, with the epochs.
CREATE TYPE human_charge AS (
  tenant_id text, human_id text,
  token_epoch bigint, tokens_reserved bigint, tokens bigint,
  request_epoch bigint, requests_reserved bigint, requests bigint,
  cost_epoch bigint, cost_reserved bigint, cost bigint);

-- Charges humans' limits. Where a limit was set again meanwhile, or the human was erased, nothing is touched. Rows are
-- locked in one order, as by reserve_usage, and only then looked at.
CREATE FUNCTION charge_humans(p_charges human_charge[]) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  IF p_charges IS NULL THEN
    RETURN;
  END IF;
  PERFORM 1 FROM humans h
    JOIN (SELECT DISTINCT c.tenant_id, c.human_id FROM unnest(p_charges) AS c) AS c
      ON h.id = ANY (ARRAY[c.human_id]) AND h.tenant_id IS NOT DISTINCT FROM c.tenant_id
    ORDER BY c.tenant_id, c.human_id FOR NO KEY UPDATE OF h;
  UPDATE humans h SET
    token_cnt = h.token_cnt - d.tokens, token_cnt_reserved = h.token_cnt_reserved - d.tokens_reserved,
    request_cnt = h.request_cnt - d.requests, request_cnt_reserved = h.request_cnt_reserved - d.requests_reserved,
    cost_micros = h.cost_micros - d.cost, cost_micros_reserved = h.cost_micros_reserved - d.cost_reserved
  FROM (
    SELECT c.tenant_id, c.human_id,
           coalesce(sum(c.tokens) FILTER (WHERE c.token_epoch = l.token_cnt_epoch), 0)::bigint AS tokens,
           coalesce(sum(c.tokens_reserved) FILTER (WHERE c.token_epoch = l.token_cnt_epoch), 0)::bigint AS tokens_reserved,
           coalesce(sum(c.requests) FILTER (WHERE c.request_epoch = l.request_cnt_epoch), 0)::bigint AS requests,
           coalesce(sum(c.requests_reserved) FILTER (WHERE c.request_epoch = l.request_cnt_epoch), 0)::bigint
             AS requests_reserved,
           coalesce(sum(c.cost) FILTER (WHERE c.cost_epoch = l.cost_micros_epoch), 0)::bigint AS cost,
           coalesce(sum(c.cost_reserved) FILTER (WHERE c.cost_epoch = l.cost_micros_epoch), 0)::bigint AS cost_reserved
    FROM unnest(p_charges) AS c JOIN humans l ON l.id = ANY (ARRAY[c.human_id]) AND l.tenant_id IS NOT DISTINCT FROM c.tenant_id
    GROUP BY c.tenant_id, c.human_id) AS d
  WHERE h.id = ANY (ARRAY[d.human_id]) AND h.tenant_id IS NOT DISTINCT FROM d.tenant_id;
END
$$;

-- An impersonated call that reserves nothing: the human comes to exist, and the log has the row before the answer goes.
-- False, and nothing written: the tenant is gone, or is just being deleted.
CREATE FUNCTION record_impersonation(p_audit_id uuid, p_tenant_id text, p_key_id text, p_human text, p_route text,
                                     p_request_id text, p_address text) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_org_id text;
  v_human_id text;
BEGIN
  SELECT t.org_id INTO v_org_id FROM tenants t WHERE t.id = p_tenant_id FOR KEY SHARE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  -- Again where the human was erased between the two statements.
  LOOP
    SELECT h.id INTO v_human_id FROM humans h WHERE h.tenant_id = p_tenant_id AND h.human = p_human;
    EXIT WHEN FOUND;
    PERFORM add_humans(ARRAY[p_tenant_id], ARRAY[p_human], ARRAY[p_key_id]);
  END LOOP;
  INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, human_id, resource_type, resource_id,
                            request_id, address)
    VALUES (p_audit_id, v_org_id, p_tenant_id, 'request.impersonated', 'key', p_key_id, v_human_id, 'route', p_route,
            p_request_id, p_address);
  RETURN true;
END
$$;

-- Reservations of many calls, committed together. An id that is there already is left as it is: a retry after an unknown
-- commit counts once. A human comes to exist with the first reservation that names it, and an impersonated call's row of
-- the audit log is written here, in the reservation's own transaction. `p_humans`, `p_choices` and `p_boundless` are null
-- where no call names a human, `p_routes` and `p_addresses` where none is made on a human's behalf. Prices are those of one
-- token; null: unknown.
--
-- A call is admitted under all limits of its human or not at all. Where its prompt fits and its whole answer does not, it
-- gets the room that is left, in whole tokens for each of its choices. `granted`: of each call that a limit of tokens or
-- cost judges, the output tokens that it may make; null: no call was. `verdicts`: of each call that was refused
--   gone         its tenant is gone, or is just being deleted; every other one is held against purge_tenant until this commits
--   request_cnt, token_cnt, cost_micros
--                the limit that it does not fit
--   boundless    it holds content without a known bound, and a limit of tokens or cost would judge it
--   unpriced     its model has no price, and a limit of cost would judge it
-- and null where none was. Not `alive`, and nothing reserved: the lease is not, so that nobody would sweep them.
CREATE FUNCTION reserve_usage(p_lease_id uuid, p_ids uuid[], p_tenant_ids text[], p_key_ids text[], p_user_ids text[],
                              p_humans text[], p_request_ids text[], p_providers text[], p_models text[],
                              p_streamed boolean[], p_reserved_input_tokens bigint[], p_reserved_output_tokens bigint[],
                              p_input_prices bigint[], p_output_prices bigint[], p_choices integer[], p_boundless boolean[],
                              p_routes text[], p_addresses text[], OUT alive boolean, OUT verdicts text[],
                              OUT granted bigint[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_tenants integer;
  v_done boolean := false;
  v_held_ids text[] := '{}';
  v_known_ids text[];
  v_human_ids text[];
  v_limited_ids text[];
  v_locked integer;
  v_repeated uuid[];
  v_token_epochs bigint[];
  v_request_epochs bigint[];
  v_cost_epochs bigint[];
  v_call record;
  v_human_id text := '';
  v_tokens bigint;
  v_requests bigint;
  v_cost bigint;
  v_told text[];
  v_output bigint;
  v_room bigint;
  v_verdict text;
  v_taken_tenant_ids text[];
  v_taken_human_ids text[];
  v_taken_tokens bigint[];
  v_taken_requests bigint[];
  v_taken_cost bigint[];
  v_taken integer := 0;
BEGIN
  alive := true;
  -- First the locks, then a look: only a statement that begins after a lock was got sees a deletion that held it. Nobody
  -- waits for a lock, since everybody's calls would wait for one tenant's deletion; and they are advisory, since locking
  -- its row would write to it with each batch. A call that comes alone takes its lock in an expression, and is looked up
  -- by equality: each statement costs it a tenth of its time, and an array a new plan every time.
  IF cardinality(p_tenant_ids) = 1 THEN
    IF pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || p_tenant_ids[1], 0)) THEN
      v_held_ids := p_tenant_ids;
      PERFORM 1 FROM process_leases l, tenants t
        WHERE l.id = p_lease_id AND l.ended_at IS NULL AND t.id = p_tenant_ids[1];
      v_done := FOUND;
    END IF;
  ELSE
    SELECT count(*), array_agg(t.id) FILTER (WHERE t.held) INTO v_tenants, v_held_ids
      FROM (SELECT d.id, pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || d.id, 0)) AS held
            FROM (SELECT DISTINCT u.id FROM unnest(p_tenant_ids) AS u (id)) AS d) AS t;
    SELECT count(*) = v_tenants INTO v_done FROM tenants t
      WHERE t.id = ANY (v_held_ids)
        AND EXISTS (SELECT 1 FROM process_leases l WHERE l.id = p_lease_id AND l.ended_at IS NULL);
  END IF;
  IF NOT v_done THEN
    PERFORM 1 FROM process_leases l WHERE l.id = p_lease_id AND l.ended_at IS NULL;
    IF NOT FOUND THEN
      alive := false;
      RETURN;
    END IF;
    v_known_ids := ARRAY(SELECT t.id FROM tenants t WHERE t.id = ANY (v_held_ids));
    verdicts := ARRAY(SELECT CASE WHEN r.tenant_id <> ALL (v_known_ids) THEN 'gone' END
                      FROM unnest(p_tenant_ids) WITH ORDINALITY AS r (tenant_id, place) ORDER BY r.place);
  END IF;

  IF p_humans IS NOT NULL THEN
    -- Again where one of them was erased between two statements, or its limits were removed.
    LOOP
      SELECT array_agg(h.id ORDER BY r.place),
             bool_and(h.id IS NOT NULL OR r.human IS NULL OR coalesce(r.tenant_id <> ALL (v_known_ids), false)),
             array_agg(DISTINCT h.id) FILTER (WHERE num_nonnulls(h.token_cnt, h.request_cnt, h.cost_micros) > 0)
        INTO v_human_ids, v_done, v_limited_ids
        FROM unnest(p_tenant_ids, p_humans) WITH ORDINALITY AS r (tenant_id, human, place)
        LEFT JOIN humans h ON h.tenant_id = ANY (ARRAY[r.tenant_id]) AND h.human = ANY (ARRAY[r.human])
          AND (v_known_ids IS NULL OR h.tenant_id = ANY (v_known_ids));
      IF NOT v_done THEN
        -- Of tenants that are held alone: to write for one that is being deleted would wait for that.
        PERFORM add_humans(array_agg(r.tenant_id), array_agg(r.human), array_agg(r.key_id))
          FROM unnest(p_tenant_ids, p_humans, p_key_ids) AS r (tenant_id, human, key_id)
          WHERE r.human IS NOT NULL AND (v_known_ids IS NULL OR r.tenant_id = ANY (v_known_ids));
        CONTINUE;
      END IF;
      EXIT WHEN v_limited_ids IS NULL;
      PERFORM 1 FROM humans h
        JOIN (SELECT DISTINCT u.tenant_id, u.id FROM unnest(p_tenant_ids, v_human_ids) AS u (tenant_id, id)
              WHERE u.id = ANY (v_limited_ids)) AS u
          ON h.id = ANY (ARRAY[u.id]) AND h.tenant_id IS NOT DISTINCT FROM u.tenant_id
        ORDER BY u.tenant_id, u.id FOR NO KEY UPDATE OF h;
      GET DIAGNOSTICS v_locked = ROW_COUNT;
      EXIT WHEN v_locked = cardinality(v_limited_ids);
    END LOOP;
  END IF;

  IF v_limited_ids IS NOT NULL THEN
    v_repeated := ARRAY(SELECT r.id FROM usage_records r WHERE r.id = ANY (p_ids));
    verdicts := coalesce(verdicts, array_fill(NULL::text, ARRAY[cardinality(p_ids)]));
    granted := array_fill(NULL::bigint, ARRAY[cardinality(p_ids)]);
    -- What is taken of each human's room is added up here, and written at once below.
    FOR v_call IN
      SELECT r.place, r.id, r.tenant_id, r.human_id, r.input_tokens, r.output_tokens, r.input_price, r.output_price,
             r.choices, r.boundless, h.token_cnt - h.token_cnt_reserved AS token_room, h.token_cnt_epoch,
             h.request_cnt - h.request_cnt_reserved AS request_room, h.request_cnt_epoch,
             h.cost_micros, h.cost_micros - h.cost_micros_reserved AS cost_room, h.cost_micros_epoch, h.exceeded_told
      FROM unnest(p_ids, p_tenant_ids, v_human_ids, p_reserved_input_tokens, p_reserved_output_tokens, p_input_prices,
                  p_output_prices, p_choices, p_boundless)
        WITH ORDINALITY AS r (id, tenant_id, human_id, input_tokens, output_tokens, input_price, output_price, choices,
                              boundless, place)
      JOIN humans h ON h.id = ANY (ARRAY[r.human_id]) AND h.tenant_id IS NOT DISTINCT FROM r.tenant_id
      WHERE r.human_id = ANY (v_limited_ids)
      ORDER BY r.tenant_id, r.human_id, r.place
    LOOP
      IF v_call.human_id <> v_human_id THEN
        v_human_id := v_call.human_id;
        v_tokens := 0;
        v_requests := 0;
        v_cost := 0;
        v_told := coalesce(v_call.exceeded_told, '{}');
        v_taken := v_taken + 1;
        v_taken_tenant_ids[v_taken] := v_call.tenant_id;
        v_taken_human_ids[v_taken] := v_human_id;
      END IF;
      v_output := v_call.output_tokens;
      v_verdict := NULL;
      IF v_call.id = ANY (v_repeated) THEN
        SELECT r.reserved_output_tokens INTO v_output FROM usage_records r WHERE r.id = v_call.id;
      ELSE
        IF v_call.request_room IS NOT NULL AND v_call.request_room - v_requests < 1000000 THEN
          v_verdict := 'request_cnt';
        ELSIF v_call.boundless AND (v_call.token_room IS NOT NULL OR v_call.cost_room IS NOT NULL) THEN
          v_verdict := 'boundless';
        ELSIF v_call.cost_room IS NOT NULL AND (v_call.input_price IS NULL OR v_call.output_price IS NULL) THEN
          v_verdict := 'unpriced';
        ELSE
          IF v_call.token_room IS NOT NULL THEN
            v_room := (v_call.token_room - v_tokens) / 1000000 - v_call.input_tokens;
            IF v_room < v_output THEN
              v_output := v_room - v_room % v_call.choices;
              IF v_output < v_call.choices THEN
                v_verdict := 'token_cnt';
              END IF;
            END IF;
          END IF;
          IF v_verdict IS NULL AND v_call.cost_room IS NOT NULL THEN
            v_room := v_call.cost_room - v_cost - v_call.input_tokens * v_call.input_price;
            IF v_call.cost_micros <= 0 OR v_room < 0 THEN
              v_verdict := 'cost_micros';
            ELSIF v_room < v_output * v_call.output_price THEN
              v_output := v_room / v_call.output_price;
              v_output := v_output - v_output % v_call.choices;
              IF v_output < v_call.choices THEN
                v_verdict := 'cost_micros';
              END IF;
            END IF;
          END IF;
        END IF;
        IF v_verdict IS NULL THEN
          IF v_call.token_room IS NOT NULL THEN
            v_tokens := v_tokens + (v_call.input_tokens + v_output) * 1000000;
            v_token_epochs[v_call.place] := v_call.token_cnt_epoch;
          END IF;
          IF v_call.request_room IS NOT NULL THEN
            v_requests := v_requests + 1000000;
            v_request_epochs[v_call.place] := v_call.request_cnt_epoch;
          END IF;
          IF v_call.cost_room IS NOT NULL THEN
            v_cost := v_cost + v_call.input_tokens * v_call.input_price + v_output * v_call.output_price;
            v_cost_epochs[v_call.place] := v_call.cost_micros_epoch;
          END IF;
        ELSE
          verdicts[v_call.place] := v_verdict;
          IF v_verdict IN ('request_cnt', 'token_cnt', 'cost_micros') AND v_verdict <> ALL (v_told) THEN
            v_told := v_told || v_verdict;
            UPDATE humans h SET exceeded_told = v_told
              WHERE h.id = v_human_id AND h.tenant_id IS NOT DISTINCT FROM v_call.tenant_id;
            PERFORM enqueue_webhook_event(v_call.tenant_id, 'usage.limit_exceeded', v_human_id,
                                          jsonb_build_object('type', v_verdict));
          END IF;
        END IF;
      END IF;
      v_taken_tokens[v_taken] := v_tokens;
      v_taken_requests[v_taken] := v_requests;
      v_taken_cost[v_taken] := v_cost;
      IF v_verdict IS NULL AND (v_call.token_room IS NOT NULL OR v_call.cost_room IS NOT NULL) THEN
        granted[v_call.place] := v_output;
      END IF;
    END LOOP;
    UPDATE humans h SET
      token_cnt_reserved = h.token_cnt_reserved + t.tokens, request_cnt_reserved = h.request_cnt_reserved + t.requests,
      cost_micros_reserved = h.cost_micros_reserved + t.cost
    FROM unnest(v_taken_tenant_ids, v_taken_human_ids, v_taken_tokens, v_taken_requests, v_taken_cost)
      AS t (tenant_id, human_id, tokens, requests, cost)
    WHERE h.id = ANY (ARRAY[t.human_id]) AND h.tenant_id IS NOT DISTINCT FROM t.tenant_id AND t.tokens + t.requests + t.cost > 0;
  END IF;

  INSERT INTO usage_records (id, tenant_id, key_id, user_id, human_id, request_id, provider, model, streamed,
                             reserved_input_tokens, reserved_output_tokens, reserved_cost_pico_usd, token_cnt_epoch,
                             request_cnt_epoch, cost_micros_epoch, lease_id, created_at)
  SELECT r.id, r.tenant_id, r.key_id, r.user_id, r.human_id, r.request_id, r.provider, r.model, r.streamed,
         r.reserved_input_tokens, coalesce(granted[r.place], r.reserved_output_tokens),
         r.reserved_input_tokens * r.input_price + coalesce(granted[r.place], r.reserved_output_tokens) * r.output_price,
         v_token_epochs[r.place], v_request_epochs[r.place], v_cost_epochs[r.place], p_lease_id, clock_timestamp()
  FROM unnest(p_ids, p_tenant_ids, p_key_ids, p_user_ids, v_human_ids, p_request_ids, p_providers, p_models, p_streamed,
              p_reserved_input_tokens, p_reserved_output_tokens, p_input_prices, p_output_prices)
    WITH ORDINALITY AS r (id, tenant_id, key_id, user_id, human_id, request_id, provider, model, streamed,
                          reserved_input_tokens, reserved_output_tokens, input_price, output_price, place)
  WHERE verdicts[r.place] IS NULL
  ON CONFLICT (id) DO NOTHING;

  IF p_routes IS NOT NULL THEN
    INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, human_id, resource_type, resource_id,
                              request_id, address)
    SELECT md5('audit:' || r.id)::uuid, t.org_id, t.id, 'request.impersonated', 'key', r.key_id, r.human_id, 'route',
           r.route, r.request_id, r.address
    FROM unnest(p_ids, p_tenant_ids, p_key_ids, v_human_ids, p_request_ids, p_routes, p_addresses)
      WITH ORDINALITY AS r (id, tenant_id, key_id, human_id, request_id, route, address, place)
    JOIN tenants t ON t.id = r.tenant_id
    WHERE r.route IS NOT NULL AND verdicts[r.place] IS NULL
    ON CONFLICT (id) DO NOTHING;
  END IF;
END
$$;

-- Settles many calls. RESERVED → SETTLED happens once. A row that the sweeper charged meanwhile stays as it is and is
-- corrected once, by an adjustment whose id follows from the row's: the two together tell the truth. Two statements, so
-- that the second sees what a sweeper did while the first waited for its row. Corrections keep the human of the row that
-- they correct. One whose tenant is being deleted, or is gone, is not written: the tenant's row is locked against deletion.
-- Humans' limits are charged in the same transaction, as its last step, since everybody's admissions wait for a human that
-- is locked. Gives the number of calls that used more than they had reserved
-- although a limit judged them.
CREATE FUNCTION settle_usage(p_ids uuid[], p_outcomes text[], p_status_codes integer[], p_input_tokens bigint[],
                             p_output_tokens bigint[], p_estimated boolean[], p_latency_ms integer[], p_requests smallint[],
                             p_cached_input_tokens bigint[], p_cost_pico_usd bigint[]) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_settled_ids uuid[];
  v_adjusted_ids uuid[];
  v_charges human_charge[];
  v_corrections human_charge[];
  v_overruns integer;
BEGIN
  WITH settled AS (
    UPDATE usage_records r
    SET state = 'SETTLED', outcome = t.outcome, status_code = t.status_code, input_tokens = t.input_tokens,
        output_tokens = t.output_tokens, estimated = t.estimated, latency_ms = t.latency_ms, requests = t.requests,
        cached_input_tokens = t.cached_input_tokens, cost_pico_usd = t.cost_pico_usd, settled_at = clock_timestamp(),
        overrun = coalesce(r.token_cnt_epoch IS NOT NULL
            AND t.input_tokens + t.output_tokens > r.reserved_input_tokens + r.reserved_output_tokens
          OR r.cost_micros_epoch IS NOT NULL AND t.cost_pico_usd > r.reserved_cost_pico_usd, false)
    FROM unnest(p_ids, p_outcomes, p_status_codes, p_input_tokens, p_output_tokens, p_estimated, p_latency_ms, p_requests,
                p_cached_input_tokens, p_cost_pico_usd)
      AS t (id, outcome, status_code, input_tokens, output_tokens, estimated, latency_ms, requests, cached_input_tokens,
            cost_pico_usd)
    WHERE r.id = ANY (ARRAY[t.id]) AND r.state = 'RESERVED'
    RETURNING r.*)
  SELECT array_agg(s.id), count(*) FILTER (WHERE s.overrun),
         array_agg(ROW(s.tenant_id, s.human_id,
                       s.token_cnt_epoch, (s.reserved_input_tokens + s.reserved_output_tokens) * 1000000,
                       (s.input_tokens + s.output_tokens) * 1000000,
                       s.request_cnt_epoch, 1000000, s.requests * 1000000::bigint,
                       s.cost_micros_epoch, s.reserved_cost_pico_usd,
                       coalesce(s.cost_pico_usd, s.reserved_cost_pico_usd))::human_charge)
           FILTER (WHERE num_nonnulls(s.token_cnt_epoch, s.request_cnt_epoch, s.cost_micros_epoch) > 0)
    INTO v_settled_ids, v_overruns, v_charges
    FROM settled s;
  IF cardinality(v_settled_ids) = cardinality(p_ids) THEN
    PERFORM tell_usage(v_settled_ids);
    PERFORM charge_humans(v_charges);
    RETURN v_overruns;
  END IF;

  WITH adjusted AS (
    INSERT INTO usage_records (id, tenant_id, kind, adjusts, key_id, user_id, human_id, request_id, provider, model,
                               streamed, state, outcome, status_code, reserved_input_tokens, reserved_output_tokens,
                               input_tokens, output_tokens, estimated, latency_ms, requests, cached_input_tokens,
                               cost_pico_usd, token_cnt_epoch, request_cnt_epoch, cost_micros_epoch, lease_id, settled_at)
    SELECT md5('adjustment:' || r.id)::uuid, r.tenant_id, 'ADJUSTMENT', r.id, r.key_id, r.user_id, r.human_id, r.request_id,
           r.provider, r.model, r.streamed, 'SETTLED', t.outcome, t.status_code, 0, 0, t.input_tokens - r.input_tokens,
           t.output_tokens - r.output_tokens, t.estimated, t.latency_ms, t.requests - r.requests,
           t.cached_input_tokens - r.cached_input_tokens, t.cost_pico_usd - r.cost_pico_usd, r.token_cnt_epoch,
           r.request_cnt_epoch, r.cost_micros_epoch, r.lease_id, clock_timestamp()
    FROM unnest(p_ids, p_outcomes, p_status_codes, p_input_tokens, p_output_tokens, p_estimated, p_latency_ms, p_requests,
                p_cached_input_tokens, p_cost_pico_usd)
      AS t (id, outcome, status_code, input_tokens, output_tokens, estimated, latency_ms, requests, cached_input_tokens,
            cost_pico_usd)
    JOIN usage_records r ON r.id = ANY (ARRAY[t.id])
    JOIN tenants n ON n.id = r.tenant_id
    WHERE r.state = 'SWEPT'
    ORDER BY n.id
    FOR KEY SHARE OF n
    ON CONFLICT (id) DO NOTHING
    RETURNING *)
  SELECT array_agg(a.id),
         array_agg(ROW(a.tenant_id, a.human_id, a.token_cnt_epoch, 0, (a.input_tokens + a.output_tokens) * 1000000,
                       a.request_cnt_epoch, 0, a.requests * 1000000::bigint,
                       a.cost_micros_epoch, 0, coalesce(a.cost_pico_usd, 0))::human_charge)
           FILTER (WHERE num_nonnulls(a.token_cnt_epoch, a.request_cnt_epoch, a.cost_micros_epoch) > 0)
    INTO v_adjusted_ids, v_corrections
    FROM adjusted a;
  IF v_settled_ids IS NOT NULL OR v_adjusted_ids IS NOT NULL THEN
    PERFORM tell_usage(v_settled_ids || v_adjusted_ids);
  END IF;
  PERFORM charge_humans(v_charges || v_corrections);
  RETURN v_overruns;
END
$$;

-- Charges what dead processes left open its whole reservation, marked SWEPT and ORPHANED, to the ledger and to the humans'
-- limits. Only leases that nobody renewed for p_term are declared dead, and a dead lease never lives again (renew_lease),
-- so that a live process's calls, however long, are never touched. Rows are looked for from a little before the oldest call
-- that the lease had open at its last renewal. A lease is swept again for two minutes after its end, for the reservation
-- that was being written while the lease ended; later ones are refused by reserve_usage.
CREATE FUNCTION sweep_usage(p_term interval) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_lease record;
  v_count integer := 0;
  v_swept_ids uuid[];
  v_charges human_charge[];
  v_all_charges human_charge[];
BEGIN
  UPDATE process_leases SET ended_at = clock_timestamp()
  WHERE ended_at IS NULL AND renewed_at < clock_timestamp() - p_term;

  FOR v_lease IN
    SELECT l.id, l.renewed_at, l.oldest_open_at FROM process_leases l
    WHERE l.ended_at > clock_timestamp() - interval '2 minutes' OR l.ended_at IS NOT NULL AND l.swept_at IS NULL
    ORDER BY l.id FOR UPDATE SKIP LOCKED
  LOOP
    WITH swept AS (
      UPDATE usage_records r
      SET state = 'SWEPT', outcome = 'ORPHANED', input_tokens = r.reserved_input_tokens,
          output_tokens = r.reserved_output_tokens, cost_pico_usd = r.reserved_cost_pico_usd, requests = 1,
          estimated = true, settled_at = clock_timestamp()
      WHERE r.lease_id = v_lease.id AND r.state = 'RESERVED'
        AND r.created_at >= coalesce(v_lease.oldest_open_at, v_lease.renewed_at) - interval '1 minute'
      RETURNING r.*)
    SELECT array_agg(s.id),
           array_agg(ROW(s.tenant_id, s.human_id,
                         s.token_cnt_epoch, (s.input_tokens + s.output_tokens) * 1000000,
                         (s.input_tokens + s.output_tokens) * 1000000,
                         s.request_cnt_epoch, 1000000, 1000000,
                         s.cost_micros_epoch, s.cost_pico_usd, s.cost_pico_usd)::human_charge)
             FILTER (WHERE num_nonnulls(s.token_cnt_epoch, s.request_cnt_epoch, s.cost_micros_epoch) > 0)
      INTO v_swept_ids, v_charges
      FROM swept s;
    v_all_charges := v_all_charges || v_charges;
    IF v_swept_ids IS NOT NULL THEN
      PERFORM tell_usage(v_swept_ids);
      v_count := v_count + cardinality(v_swept_ids);
    END IF;
    UPDATE process_leases l SET swept_at = clock_timestamp() WHERE l.id = v_lease.id;
  END LOOP;
  -- Of all leases at once, so that humans are locked in one order.
  PERFORM charge_humans(v_all_charges);

  DELETE FROM process_leases l WHERE l.ended_at < clock_timestamp() - interval '1 hour';
  RETURN v_count;
END
$$;

-- Takes away every row of a tenant but one: its tombstone in the org's audit log, which names nobody. The tenant's row is
-- locked first, so that no reservation or key slips in behind. Request windows go last, since calls of others that are
-- counted in the same statement wait for them.
CREATE FUNCTION purge_tenant(p_tenant_id text, p_audit_id uuid) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_org_id text;
  v_user_id text;
  v_key_ids text[];
BEGIN
  -- Waits for reservations that are on their way; those that come now are refused.
  PERFORM pg_advisory_xact_lock(hashtextextended('tenant:' || p_tenant_id, 0));
  SELECT t.org_id INTO v_org_id FROM tenants t WHERE t.id = p_tenant_id FOR UPDATE;
  v_key_ids := ARRAY(SELECT k.id FROM api_keys k WHERE k.tenant_id = p_tenant_id);
  -- Before their endpoints, in the order in which old ones are pruned; their deliveries go with them.
  DELETE FROM webhook_events WHERE tenant_id = p_tenant_id;
  DELETE FROM usage_records WHERE tenant_id = p_tenant_id;
  DELETE FROM usage_reports WHERE tenant_id = p_tenant_id;
  DELETE FROM usage_tokens WHERE tenant_id = p_tenant_id;
  DELETE FROM api_key_retired_secrets WHERE tenant_id = p_tenant_id;
  DELETE FROM api_keys WHERE tenant_id = p_tenant_id;
  DELETE FROM humans WHERE tenant_id = p_tenant_id;
  DELETE FROM idempotency_keys WHERE tenant_id = p_tenant_id;
  DELETE FROM audit_events WHERE tenant_id = p_tenant_id
    OR (tenant_id IS NULL AND org_id = v_org_id AND resource_type = 'tenant' AND resource_id = p_tenant_id);
  DELETE FROM tenants WHERE id = p_tenant_id;
  FOR v_user_id IN SELECT u.id FROM users u WHERE u.claimed_tenant_id = p_tenant_id ORDER BY u.id
  LOOP
    PERFORM queue_claims(v_user_id, gen_random_uuid());
  END LOOP;
  INSERT INTO audit_events (id, org_id, action, actor_type, resource_type, resource_id)
    VALUES (p_audit_id, v_org_id, 'tenant.deleted', 'user', 'tenant', p_tenant_id);
  -- In the order in which requests lock them.
  WITH own AS (
    SELECT w.key FROM rate_windows w WHERE w.key LIKE 'key:%' AND split_part(w.key, ':', 2) = ANY (v_key_ids)
    ORDER BY w.key FOR UPDATE)
  DELETE FROM rate_windows w USING own WHERE w.key = own.key;
END
$$;

GRANT CREATE ON SCHEMA public TO gatehouse_definer;
DO $$
DECLARE
  signature text;
BEGIN
  FOREACH signature IN ARRAY ARRAY[
    'find_usage_token(text)',
    'prune_usage_tokens()',
    'record_impersonation(uuid, text, text, text, text, text, text)',
    'reserve_usage(uuid, uuid[], text[], text[], text[], text[], text[], text[], text[], boolean[], bigint[], bigint[], bigint[], bigint[], integer[], boolean[], text[], text[])',
    'settle_usage(uuid[], text[], integer[], bigint[], bigint[], boolean[], integer[], smallint[], bigint[], bigint[])',
    'sweep_usage(interval)'
  ]
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO gatehouse_app', signature);
    EXECUTE format('ALTER FUNCTION %s OWNER TO gatehouse_definer', signature);
  END LOOP;
  -- For other functions alone.
  FOREACH signature IN ARRAY ARRAY['purge_tenant(text, uuid)', 'charge_humans(human_charge[])', 'tell_usage(uuid[])',
                                   'enqueue_webhook_event(text, text, text, jsonb)']
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('ALTER FUNCTION %s OWNER TO gatehouse_definer', signature);
  END LOOP;
  -- By their caller's rights.
  FOREACH signature IN ARRAY ARRAY['limit_of(jsonb, text)', 'add_humans(text[], text[], text[])', 'set_limits(text, jsonb)']
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO gatehouse_app, gatehouse_definer', signature);
  END LOOP;
END
$$;

SET LOCAL ROLE gatehouse_definer;
-- What every call runs is planned once, and for tables that grow. A connection keeps its plans until a table is analyzed: one
-- that was made while the ledger was empty would go through all of it for each call, minutes into the first load. And
-- where a few rows are all that is known, one that goes through an index from end to end to join what it then finds. So
-- these statements join by `= ANY (ARRAY[x])`, which an index answers and nothing can be sorted or hashed for, and sort by
-- what they are given.
DO $$
DECLARE
  signature text;
BEGIN
  FOREACH signature IN ARRAY ARRAY[
    'reserve_usage(uuid, uuid[], text[], text[], text[], text[], text[], text[], text[], boolean[], bigint[], bigint[], bigint[], bigint[], integer[], boolean[], text[], text[])',
    'settle_usage(uuid[], text[], integer[], bigint[], bigint[], boolean[], integer[], smallint[], bigint[], bigint[])',
    'charge_humans(human_charge[])'
  ]
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan', signature);
    EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', signature);
    EXECUTE format('ALTER FUNCTION %s SET enable_hashjoin = off', signature);
    EXECUTE format('ALTER FUNCTION %s SET enable_mergejoin = off', signature);
  END LOOP;
END
$$;
SET LOCAL ROLE NONE;
REVOKE CREATE ON SCHEMA public FROM gatehouse_definer;
