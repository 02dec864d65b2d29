-- Webhooks: endpoints, what they chose, their secrets, events and deliveries. Roles, rights and the style of functions are
-- the foundation's.
--
-- With a tenant all of it goes: its foreign keys cascade, so that purge_tenant need not know these tables.

-- ---------------------------------------------------------------------------------------------------- tables

CREATE TABLE webhook_endpoints (
  id              text PRIMARY KEY,
  tenant_id       text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  url             text NOT NULL,
  description     text NOT NULL DEFAULT '',
  status          text NOT NULL DEFAULT 'ENABLED' CHECK (status IN ('ENABLED', 'DISABLED')),
  disabled_reason text CHECK (disabled_reason IN ('REQUESTED', 'FAILING', 'GONE')),
  disabled_at     timestamptz(3),
  -- The first attempt that failed since the last one that did not.
  failing_since   timestamptz(3),
  created_by      text NOT NULL,
  created_at      timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at      timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CHECK ((status = 'DISABLED') = (disabled_reason IS NOT NULL) AND (status = 'DISABLED') = (disabled_at IS NOT NULL))
);
CREATE UNIQUE INDEX webhook_endpoints_tenant_id_id_key ON webhook_endpoints (tenant_id, id);
CREATE INDEX webhook_endpoints_tenant_id_created_at_id_idx ON webhook_endpoints (tenant_id, created_at DESC, id DESC);

-- What an endpoint chose. A table of its own, so that every settled call learns by one probe of one index that nobody on
-- this service wants to hear of it.
CREATE TABLE webhook_subscriptions (
  tenant_id   text NOT NULL,
  endpoint_id text NOT NULL,
  type        text NOT NULL,
  PRIMARY KEY (tenant_id, endpoint_id, type),
  FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX webhook_subscriptions_type_tenant_id_idx ON webhook_subscriptions (type, tenant_id);

-- Secrets, encrypted (platform/crypto). Without an end: the endpoint's own; with one: replaced, and still signed with
-- until then.
CREATE TABLE webhook_secrets (
  id          uuid PRIMARY KEY,
  tenant_id   text NOT NULL,
  endpoint_id text NOT NULL,
  envelope    bytea NOT NULL,
  key_version integer NOT NULL,
  expires_at  timestamptz(3),
  created_at  timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX webhook_secrets_tenant_id_endpoint_id_idx ON webhook_secrets (tenant_id, endpoint_id);
CREATE INDEX webhook_secrets_key_version_idx ON webhook_secrets (key_version);

-- No names: a human's is joined in when a delivery is sent, so that whoever is erased is erased from here too.
CREATE TABLE webhook_events (
  id         uuid PRIMARY KEY,
  tenant_id  text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  type       text NOT NULL,
  human_id   text,
  payload    jsonb NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX webhook_events_tenant_id_id_key ON webhook_events (tenant_id, id);
CREATE INDEX webhook_events_created_at_idx ON webhook_events (created_at);

-- One event on its way to one endpoint. `attempts` counts those that were begun, and tells whose claim it is: only the
-- latest may finish it. A claim is a next attempt in the near future: if its process dies, it simply comes.
CREATE TABLE webhook_deliveries (
  id               uuid PRIMARY KEY,
  tenant_id        text NOT NULL,
  endpoint_id      text NOT NULL,
  event_id         uuid NOT NULL,
  status           text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED')),
  attempts         integer NOT NULL DEFAULT 0,
  next_attempt_at  timestamptz(3) DEFAULT clock_timestamp(),
  last_attempt_at  timestamptz(3),
  last_status_code integer,
  last_error       text CHECK (last_error IN ('UNREACHABLE', 'TIMEOUT', 'BROKEN', 'REDIRECT', 'REFUSED', 'GONE', 'INTERNAL',
                                              'DISABLED')),
  ended_at         timestamptz(3),
  created_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE,
  FOREIGN KEY (tenant_id, event_id) REFERENCES webhook_events (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE,
  CHECK ((status = 'PENDING') = (next_attempt_at IS NOT NULL) AND (status = 'PENDING') = (ended_at IS NULL))
);
-- What is pending stands together in it, by endpoint and time, however much has ended.
CREATE INDEX webhook_deliveries_status_endpoint_id_next_attempt_at_idx
  ON webhook_deliveries (status, endpoint_id, next_attempt_at);
CREATE INDEX webhook_deliveries_tenant_id_created_at_id_idx ON webhook_deliveries (tenant_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_tenant_id_endpoint_id_created_at_id_idx
  ON webhook_deliveries (tenant_id, endpoint_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_tenant_id_event_id_idx ON webhook_deliveries (tenant_id, event_id);

-- ---------------------------------------------------------------------------------------------------- isolation

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['webhook_endpoints', 'webhook_subscriptions', 'webhook_secrets', 'webhook_events',
                              'webhook_deliveries']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY definer ON %I TO gatehouse_definer USING (true) WITH CHECK (true)', name);
    EXECUTE format('CREATE POLICY tenant ON %I TO gatehouse_app USING (tenant_id = current_tenant_id()) '
                   'WITH CHECK (tenant_id = current_tenant_id())', name);
  END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE (url, description, status, disabled_reason, disabled_at, failing_since, updated_at), DELETE
  ON webhook_endpoints TO gatehouse_app;
GRANT SELECT, INSERT, DELETE ON webhook_subscriptions TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE (expires_at), DELETE ON webhook_secrets TO gatehouse_app;
GRANT SELECT, INSERT ON webhook_events, webhook_deliveries TO gatehouse_app;

GRANT SELECT, UPDATE (status, disabled_reason, disabled_at, failing_since, updated_at) ON webhook_endpoints TO gatehouse_definer;
GRANT SELECT ON webhook_subscriptions TO gatehouse_definer;
GRANT SELECT, UPDATE (envelope, key_version), DELETE ON webhook_secrets TO gatehouse_definer;
GRANT SELECT, INSERT, UPDATE (created_at), DELETE ON webhook_events TO gatehouse_definer;
GRANT SELECT, INSERT,
  UPDATE (status, attempts, next_attempt_at, last_attempt_at, last_status_code, last_error, ended_at)
  ON webhook_deliveries TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- functions

-- The two that other functions call are there before this migration, as stubs of the definer's: only their owner may
-- replace them.
GRANT CREATE ON SCHEMA public TO gatehouse_definer;
SET LOCAL ROLE gatehouse_definer;

-- One event, and one delivery for each of the tenant's endpoints that is enabled and chose its type; nothing at all where
-- none did. Every payload has the event's id and the tenant as `project`.
--
-- Nobody waits here, since callers hold many calls together: a tenant or an endpoint that is just being deleted is passed
-- over, and held against deletion otherwise.
CREATE OR REPLACE FUNCTION enqueue_webhook_event(p_tenant_id text, p_type text, p_human_id text, p_payload jsonb) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_endpoint_ids text[];
  v_event_id uuid := gen_random_uuid();
BEGIN
  IF NOT EXISTS (SELECT 1 FROM webhook_subscriptions s WHERE s.type = p_type AND s.tenant_id = p_tenant_id) THEN
    RETURN;
  END IF;
  PERFORM 1 FROM tenants t WHERE t.id = p_tenant_id FOR KEY SHARE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  v_endpoint_ids := ARRAY(
    SELECT e.id FROM webhook_subscriptions s JOIN webhook_endpoints e ON e.tenant_id = s.tenant_id AND e.id = s.endpoint_id
    WHERE s.type = p_type AND s.tenant_id = p_tenant_id AND e.status = 'ENABLED'
    ORDER BY e.id FOR KEY SHARE OF e SKIP LOCKED);
  IF cardinality(v_endpoint_ids) = 0 THEN
    RETURN;
  END IF;
  INSERT INTO webhook_events (id, tenant_id, type, human_id, payload)
    VALUES (v_event_id, p_tenant_id, p_type, p_human_id,
            jsonb_build_object('id', v_event_id, 'project', p_tenant_id) || p_payload);
  INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id)
    SELECT gen_random_uuid(), p_tenant_id, e.id, v_event_id FROM unnest(v_endpoint_ids) AS e (id);
END
$$;

-- `usage.tracked`: one event for each record and each of tokens, requests and cost that is not 0, a correction's too, which
-- may be negative. An event's id is its record's and type's: a record that is told twice is one event.
CREATE OR REPLACE FUNCTION tell_usage(p_record_ids uuid[]) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_tenant_ids text[];
  v_called_ids text[];
BEGIN
  -- On every call's way: where nobody on this service listens, one probe of one index is all.
  IF NOT EXISTS (SELECT 1 FROM webhook_subscriptions s WHERE s.type = 'usage.tracked') THEN
    RETURN;
  END IF;
  v_called_ids := ARRAY(SELECT DISTINCT r.tenant_id FROM usage_records r WHERE r.id = ANY (p_record_ids));
  v_tenant_ids := ARRAY(
    SELECT t.id FROM tenants t
    WHERE t.id = ANY (v_called_ids)
      AND EXISTS (SELECT 1 FROM webhook_subscriptions s WHERE s.type = 'usage.tracked' AND s.tenant_id = t.id)
    ORDER BY t.id FOR KEY SHARE SKIP LOCKED);
  IF cardinality(v_tenant_ids) = 0 THEN
    RETURN;
  END IF;
  WITH listening AS (
    SELECT e.id, e.tenant_id
    FROM webhook_subscriptions s JOIN webhook_endpoints e ON e.tenant_id = s.tenant_id AND e.id = s.endpoint_id
    WHERE s.type = 'usage.tracked' AND s.tenant_id = ANY (v_tenant_ids) AND e.status = 'ENABLED'
    ORDER BY e.id FOR KEY SHARE OF e SKIP LOCKED),
  told AS (
    INSERT INTO webhook_events (id, tenant_id, type, human_id, payload)
    SELECT u.event_id, r.tenant_id, 'usage.tracked', r.human_id,
           jsonb_build_object('id', u.event_id, 'type', u.type, 'value', u.value, 'project', r.tenant_id,
                              'metadata', jsonb_build_object('usage_record_id', r.id, 'model', r.model))
    FROM usage_records r
    CROSS JOIN LATERAL (
      SELECT md5('usage.tracked:' || r.id || ':' || v.type)::uuid AS event_id, v.type, v.value
      FROM (VALUES ('token_cnt', (r.input_tokens + r.output_tokens)::numeric),
                   ('request_cnt', r.requests::numeric),
                   ('cost_micros', trim_scale(r.cost_pico_usd::numeric / 1000000))) AS v (type, value)
      WHERE v.value <> 0) AS u
    WHERE r.id = ANY (p_record_ids)
      AND EXISTS (SELECT 1 FROM listening l WHERE l.tenant_id IS NOT DISTINCT FROM r.tenant_id)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, tenant_id)
  INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id)
  SELECT gen_random_uuid(), t.tenant_id, l.id, t.id FROM told t JOIN listening l ON l.tenant_id = t.tenant_id;
END
$$;

-- `usage.tracked` of what a tenant's servers reported, in the transaction that keeps it.
CREATE FUNCTION tell_usage_report() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM enqueue_webhook_event(NEW.tenant_id, 'usage.tracked', NEW.human_id,
    jsonb_build_object('type', NEW.type, 'value', trim_scale(NEW.micro_units::numeric / 1000000),
                       'metadata', jsonb_build_object('usage_report_id', NEW.id)));
  RETURN NULL;
END
$$;
SET LOCAL ROLE NONE;
CREATE TRIGGER tell_usage_report
  AFTER INSERT ON usage_reports
  FOR EACH ROW WHEN (NEW.micro_units <> 0) EXECUTE FUNCTION tell_usage_report();
SET LOCAL ROLE gatehouse_definer;

-- What the service's own rooms tell webhooks: of the transaction's tenant alone, or, of what concerns the org, of all of
-- that org's tenants, whose people are the same.
CREATE FUNCTION tell_webhooks(p_type text, p_human_id text, p_payload jsonb, p_of_org boolean) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_tenant_id text;
BEGIN
  IF NOT p_of_org THEN
    PERFORM enqueue_webhook_event(current_tenant_id(), p_type, p_human_id, p_payload);
    RETURN;
  END IF;
  FOR v_tenant_id IN SELECT t.id FROM tenants t WHERE t.org_id = current_org_id() ORDER BY t.id
  LOOP
    PERFORM enqueue_webhook_event(v_tenant_id, p_type, NULL, p_payload);
  END LOOP;
END
$$;

-- Hands out what is due, for `p_term`: what is not finished by then is due again. `p_busy` names the endpoint of each
-- delivery that the caller has under way, `p_after` the endpoint that it was given last.
--
-- Endpoints take turns, each with a few at a time and one that fails with one, and an org has at most half of all places:
-- however much waits for one of them, the others get theirs. Only endpoints with something pending are looked at, each by one probe. What is due to an endpoint
-- that is disabled ends here.
CREATE FUNCTION claim_webhook_deliveries(p_limit integer, p_busy text[], p_per_endpoint integer, p_after text, p_term interval)
  RETURNS TABLE (id uuid, tenant_id text, endpoint_id text, url text, event_id uuid, type text, payload text, attempt integer,
                 secret_ids uuid[], envelopes bytea[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
  v_left integer := p_limit;
  v_after text := p_after;
  v_wrapped boolean := false;
  v_endpoint webhook_endpoints%ROWTYPE;
  v_endpoint_id text;
  v_take integer;
  v_places integer := greatest(p_per_endpoint, (p_limit + cardinality(p_busy)) / 2);
  v_org_id text;
  v_held jsonb := coalesce((SELECT jsonb_object_agg(h.org_id, h.held) FROM (
    SELECT t.org_id, count(*) AS held
    FROM unnest(p_busy) AS b (id) JOIN webhook_endpoints e ON e.id = b.id JOIN tenants t ON t.id = e.tenant_id
    GROUP BY t.org_id) AS h), '{}');
  v_secret_ids uuid[];
  v_envelopes bytea[];
BEGIN
  WHILE v_left > 0 LOOP
    SELECT d.endpoint_id INTO v_endpoint_id FROM webhook_deliveries d
      WHERE d.status = 'PENDING' AND d.endpoint_id > v_after ORDER BY d.endpoint_id LIMIT 1;
    IF v_endpoint_id IS NULL AND NOT v_wrapped THEN
      v_wrapped := true;
      v_after := '';
      CONTINUE;
    END IF;
    EXIT WHEN v_endpoint_id IS NULL OR v_wrapped AND v_endpoint_id > p_after;
    v_after := v_endpoint_id;

    SELECT e.* INTO v_endpoint FROM webhook_endpoints e WHERE e.id = v_endpoint_id;
    -- Deleted since.
    CONTINUE WHEN NOT FOUND;
    SELECT t.org_id INTO v_org_id FROM tenants t WHERE t.id = v_endpoint.tenant_id;
    IF v_endpoint.status = 'DISABLED' THEN
      WITH due AS (
        SELECT d.id FROM webhook_deliveries d
        WHERE d.status = 'PENDING' AND d.endpoint_id = v_endpoint_id AND d.next_attempt_at <= v_now
        ORDER BY d.next_attempt_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
      UPDATE webhook_deliveries d SET status = 'FAILED', last_error = 'DISABLED', next_attempt_at = NULL, ended_at = v_now
      FROM due WHERE d.id = due.id;
      CONTINUE;
    END IF;
    v_take := least(v_left, CASE WHEN v_endpoint.failing_since IS NULL THEN p_per_endpoint ELSE 1 END
                            - cardinality(array_positions(p_busy, v_endpoint_id)),
                    v_places - coalesce((v_held ->> v_org_id)::integer, 0));
    CONTINUE WHEN v_take IS NULL OR v_take <= 0;

    SELECT coalesce(array_agg(s.id ORDER BY s.expires_at DESC NULLS FIRST), '{}'),
           coalesce(array_agg(s.envelope ORDER BY s.expires_at DESC NULLS FIRST), '{}')
      INTO v_secret_ids, v_envelopes
      FROM webhook_secrets s
      WHERE s.tenant_id = v_endpoint.tenant_id AND s.endpoint_id = v_endpoint_id
        AND (s.expires_at IS NULL OR s.expires_at > v_now);
    RETURN QUERY
      WITH due AS (
        SELECT d.id FROM webhook_deliveries d
        WHERE d.status = 'PENDING' AND d.endpoint_id = v_endpoint_id AND d.next_attempt_at <= v_now
        ORDER BY d.next_attempt_at, d.id LIMIT v_take FOR UPDATE SKIP LOCKED),
      taken AS (
        UPDATE webhook_deliveries d
        SET attempts = d.attempts + 1, next_attempt_at = v_now + p_term, last_attempt_at = v_now
        FROM due WHERE d.id = due.id
        RETURNING d.*)
      SELECT t.id, t.tenant_id, t.endpoint_id, v_endpoint.url, ev.id, ev.type,
             (ev.payload || CASE WHEN h.human IS NULL THEN '{}' ELSE jsonb_build_object('human', h.human) END)::text,
             t.attempts, v_secret_ids, v_envelopes
      FROM taken t
      JOIN webhook_events ev ON ev.tenant_id = t.tenant_id AND ev.id = t.event_id
      LEFT JOIN humans h ON h.tenant_id = ev.tenant_id AND h.id = ev.human_id
      ORDER BY ev.created_at, ev.id;
    GET DIAGNOSTICS v_take = ROW_COUNT;
    v_left := v_left - v_take;
    v_held := v_held || jsonb_build_object(v_org_id, coalesce((v_held ->> v_org_id)::integer, 0) + v_take);
  END LOOP;
END
$$;

-- Ends an attempt: delivered (no `p_error`), to be tried again (`p_retry_in`), or failed. Nothing where the attempt is not
-- the latest any more: its claim ran out, and another took it up.
--
-- An endpoint that answered 410, or took nothing for `p_dead_after`, is disabled here, with its row in the audit log; the
-- answer says so, once. Our own failures (`INTERNAL`) are not the endpoint's.
CREATE FUNCTION finish_webhook_delivery(p_id uuid, p_attempt integer, p_status_code integer, p_error text,
                                        p_retry_in interval, p_dead_after interval)
  RETURNS TABLE (endpoint_id text, tenant_id text, disabled_reason text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
  v_endpoint webhook_endpoints%ROWTYPE;
  v_began_at timestamptz;
  v_reason text;
BEGIN
  SELECT d.last_attempt_at INTO v_began_at FROM webhook_deliveries d WHERE d.id = p_id;
  SELECT e.* INTO v_endpoint FROM webhook_deliveries d
    JOIN webhook_endpoints e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id WHERE d.id = p_id;
  -- A tenant that is being deleted takes its deliveries along; the lock keeps that from beginning meanwhile.
  IF NOT FOUND OR NOT pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || v_endpoint.tenant_id, 0)) THEN
    RETURN;
  END IF;
  -- The endpoint before its delivery, as whoever deletes it locks them; and only where it may change.
  IF p_error IS NOT NULL OR v_endpoint.failing_since IS NOT NULL THEN
    SELECT e.* INTO v_endpoint FROM webhook_endpoints e WHERE e.id = v_endpoint.id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
      RETURN;
    END IF;
  END IF;
  UPDATE webhook_deliveries d
  SET status = CASE WHEN p_error IS NULL THEN 'DELIVERED' WHEN p_retry_in IS NULL THEN 'FAILED' ELSE 'PENDING' END,
      next_attempt_at = CASE WHEN p_error IS NOT NULL THEN v_now + p_retry_in END,
      ended_at = CASE WHEN p_error IS NULL OR p_retry_in IS NULL THEN v_now END,
      last_status_code = p_status_code, last_error = p_error
  WHERE d.id = p_id AND d.attempts = p_attempt AND d.status = 'PENDING';
  IF NOT FOUND OR p_error = 'INTERNAL' THEN
    RETURN;
  END IF;

  IF p_error IS NULL THEN
    UPDATE webhook_endpoints e SET failing_since = NULL WHERE e.id = v_endpoint.id AND e.failing_since IS NOT NULL;
    RETURN;
  END IF;
  -- It was changed since the attempt began, and may stand elsewhere now.
  IF v_endpoint.updated_at > v_began_at THEN
    RETURN;
  END IF;
  v_reason := CASE WHEN v_endpoint.status = 'DISABLED' THEN NULL WHEN p_error = 'GONE' THEN 'GONE'
                   WHEN v_endpoint.failing_since <= v_now - p_dead_after THEN 'FAILING' END;
  UPDATE webhook_endpoints e SET failing_since = coalesce(e.failing_since, v_now)
    WHERE e.id = v_endpoint.id AND e.failing_since IS NULL;
  IF v_reason IS NOT NULL THEN
    UPDATE webhook_endpoints e SET status = 'DISABLED', disabled_reason = v_reason, disabled_at = v_now, updated_at = v_now
      WHERE e.id = v_endpoint.id;
    INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, resource_type, resource_id, details)
      SELECT gen_random_uuid(), t.org_id, t.id, 'webhook_endpoint.disabled', 'system', 'webhooks', 'webhook_endpoint',
             v_endpoint.id, jsonb_build_object('reason', v_reason)
      FROM tenants t WHERE t.id = v_endpoint.tenant_id;
    RETURN QUERY SELECT v_endpoint.id, v_endpoint.tenant_id, v_reason;
  END IF;
END
$$;

-- Takes away old events, with their deliveries, and secrets whose overlap is over. Returns how many events; as many as
-- `p_limit`: there may be more.
CREATE FUNCTION prune_webhook_events(p_keep interval, p_limit integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_pruned integer;
BEGIN
  DELETE FROM webhook_events e USING (
    SELECT o.id FROM webhook_events o WHERE o.created_at < clock_timestamp() - p_keep
      -- What was not tried to its end stays, however long it waits.
      AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d
                      WHERE d.tenant_id = o.tenant_id AND d.event_id = o.id AND d.status = 'PENDING')
    ORDER BY o.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED) AS old
  WHERE e.id = old.id;
  GET DIAGNOSTICS v_pruned = ROW_COUNT;
  DELETE FROM webhook_secrets s WHERE s.expires_at < clock_timestamp();
  RETURN v_pruned;
END
$$;

-- Secrets that stand under another encryption key than the newest.
CREATE FUNCTION find_webhook_secrets_to_rewrap(p_key_version integer, p_after uuid, p_limit integer)
  RETURNS TABLE (id uuid, tenant_id text, envelope bytea)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT s.id, s.tenant_id, s.envelope FROM webhook_secrets s
    WHERE s.key_version <> p_key_version AND s.id > p_after ORDER BY s.id LIMIT p_limit
  $$;

-- Puts an envelope in the place of the one that it was made from.
CREATE FUNCTION rewrap_webhook_secret(p_id uuid, p_old bytea, p_new bytea, p_key_version integer) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE webhook_secrets SET envelope = p_new, key_version = p_key_version WHERE id = p_id AND envelope = p_old
  $$;

DO $$
DECLARE
  signature text;
BEGIN
  FOREACH signature IN ARRAY ARRAY[
    'tell_webhooks(text, text, jsonb, boolean)',
    'claim_webhook_deliveries(integer, text[], integer, text, interval)',
    'finish_webhook_delivery(uuid, integer, integer, text, interval, interval)',
    'prune_webhook_events(interval, integer)',
    'find_webhook_secrets_to_rewrap(integer, uuid, integer)',
    'rewrap_webhook_secret(uuid, bytea, bytea, integer)'
  ]
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO gatehouse_app', signature);
  END LOOP;
  -- For other functions and a trigger alone: they name the tenant.
  FOREACH signature IN ARRAY ARRAY['enqueue_webhook_event(text, text, text, jsonb)', 'tell_usage(uuid[])', 'tell_usage_report()']
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, gatehouse_app', signature);
  END LOOP;
END
$$;

-- On every call's way, as what the limits' migration says so of.
ALTER FUNCTION tell_usage(uuid[]) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION tell_usage(uuid[]) SET enable_seqscan = off;
ALTER FUNCTION tell_usage(uuid[]) SET enable_hashjoin = off;
ALTER FUNCTION tell_usage(uuid[]) SET enable_mergejoin = off;
SET LOCAL ROLE NONE;
REVOKE CREATE ON SCHEMA public FROM gatehouse_definer;
