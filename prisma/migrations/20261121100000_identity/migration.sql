-- Identity and tenancy whole: publishable keys and rotation, humans, invitations, several tenants to an org, the audit log,
-- idempotency keys. Roles, rights and the style of functions are the foundation's.

-- ---------------------------------------------------------------------------------------------------- tables

-- The tenant that the user's claims name, or shall name once the outbox is through.
ALTER TABLE users ADD COLUMN claimed_tenant_id text;

ALTER TABLE api_keys
  ADD COLUMN requests_per_minute_per_human integer CHECK (requests_per_minute_per_human > 0),
  ADD COLUMN allowed_origins text[],
  ADD COLUMN oidc_issuer text,
  ADD COLUMN oidc_audience text,
  ADD COLUMN oidc_jwks_uri text,
  ADD COLUMN human_prefix text NOT NULL DEFAULT '',
  ADD COLUMN default_limits jsonb,
  ADD COLUMN unlimited boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT api_keys_oidc_whole CHECK ((oidc_issuer IS NULL) = (oidc_audience IS NULL)
    AND (oidc_issuer IS NOT NULL OR (oidc_jwks_uri IS NULL AND human_prefix = ''))),
  ADD CONSTRAINT api_keys_publishable_only CHECK (type = 'PUBLISHABLE' OR (oidc_issuer IS NULL
    AND default_limits IS NULL AND NOT unlimited AND requests_per_minute_per_human IS NULL));
-- The publishable keys of a tenant are few, its keys may be many.
CREATE INDEX api_keys_tenant_id_type_idx ON api_keys (tenant_id, type);

-- Secrets that a rotation replaced, until their grace is over.
CREATE TABLE api_key_retired_secrets (
  hash           bytea PRIMARY KEY,
  tenant_id      text NOT NULL,
  key_id         text NOT NULL,
  pepper_version integer NOT NULL,
  expires_at     timestamptz(3) NOT NULL,
  FOREIGN KEY (tenant_id, key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX api_key_retired_secrets_tenant_id_key_id_idx ON api_key_retired_secrets (tenant_id, key_id);

-- A tenant's end users. `id` stands for the human wherever something outlives them (ledger, audit log): this row is the
-- only way back to the name.
CREATE TABLE humans (
  tenant_id  text NOT NULL REFERENCES tenants (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  human      text NOT NULL,
  id         text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (tenant_id, human)
);
CREATE UNIQUE INDEX humans_tenant_id_id_key ON humans (tenant_id, id);

ALTER TABLE usage_records ADD COLUMN human_id text;

CREATE TABLE invitations (
  id          text PRIMARY KEY,
  org_id      text NOT NULL REFERENCES orgs (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  email       text NOT NULL,
  role        text NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
  token_hash  bytea NOT NULL,
  invited_by  text NOT NULL,
  created_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  expires_at  timestamptz(3) NOT NULL,
  accepted_at timestamptz(3),
  accepted_by text,
  revoked_at  timestamptz(3)
);
CREATE UNIQUE INDEX invitations_token_hash_key ON invitations (token_hash);
CREATE INDEX invitations_org_id_created_at_id_idx ON invitations (org_id, created_at DESC, id DESC);
CREATE INDEX invitations_org_id_email_idx ON invitations (org_id, email);

-- Append-only: nobody but the deletion of a tenant or an org has the right to take a row away, and nobody to change one.
-- No tenant: an event of the org. No foreign key to the org: a deleted tenant's tombstone outlives it.
CREATE TABLE audit_events (
  id            uuid PRIMARY KEY,
  org_id        text NOT NULL,
  tenant_id     text REFERENCES tenants (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  occurred_at   timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  action        text NOT NULL,
  actor_type    text NOT NULL CHECK (actor_type IN ('user', 'key', 'system')),
  actor_id      text,
  human_id      text,
  resource_type text NOT NULL,
  resource_id   text NOT NULL,
  request_id    text,
  address       text,
  details       jsonb NOT NULL DEFAULT '{}'
);
-- One index for all: a tenant's events and an org's own in order, and what a tenant's deletion looks for.
CREATE INDEX audit_events_tenant_id_org_id_occurred_at_id_idx
  ON audit_events (tenant_id, org_id, occurred_at DESC, id DESC);

-- What a request with an Idempotency-Key was answered, without its secrets.
CREATE TABLE idempotency_keys (
  owner        text NOT NULL,
  key          text NOT NULL,
  tenant_id    text REFERENCES tenants (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  request_hash bytea NOT NULL,
  response     jsonb,
  created_at   timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_tenant_id_idx ON idempotency_keys (tenant_id);

-- ---------------------------------------------------------------------------------------------------- isolation

-- The org that the current tenant belongs to. By the definer, since the policies of tenants ask it themselves.
CREATE FUNCTION current_org_id() RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ SELECT org_id FROM tenants WHERE id = current_tenant_id() $$;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['api_key_retired_secrets', 'humans', 'invitations', 'audit_events', 'idempotency_keys']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY definer ON %I TO gatehouse_definer USING (true) WITH CHECK (true)', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['api_key_retired_secrets', 'humans']
  LOOP
    EXECUTE format('CREATE POLICY tenant ON %I TO gatehouse_app USING (tenant_id = current_tenant_id()) '
                   'WITH CHECK (tenant_id = current_tenant_id())', name);
  END LOOP;
  -- An org's people manage all of its tenants: these tables are the org's.
  FOREACH name IN ARRAY ARRAY['tenants', 'orgs', 'memberships']
  LOOP
    EXECUTE format('DROP POLICY tenant ON %I', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['tenants', 'memberships', 'invitations']
  LOOP
    EXECUTE format('CREATE POLICY tenant ON %I TO gatehouse_app USING (org_id = (SELECT current_org_id())) '
                   'WITH CHECK (org_id = (SELECT current_org_id()))', name);
  END LOOP;
END
$$;
CREATE POLICY tenant ON orgs TO gatehouse_app USING (id = (SELECT current_org_id())) WITH CHECK (id = (SELECT current_org_id()));
CREATE POLICY tenant ON audit_events TO gatehouse_app
  USING (org_id = (SELECT current_org_id()) AND (tenant_id IS NULL OR tenant_id = current_tenant_id()))
  WITH CHECK (org_id = (SELECT current_org_id()) AND (tenant_id IS NULL OR tenant_id = current_tenant_id()));

GRANT UPDATE (key_prefix, hash, pepper_version, requests_per_minute_per_human, allowed_origins, oidc_issuer, oidc_audience,
              oidc_jwks_uri, human_prefix, default_limits, unlimited) ON api_keys TO gatehouse_app;
GRANT SELECT, INSERT, DELETE ON api_key_retired_secrets TO gatehouse_app;
GRANT SELECT ON humans TO gatehouse_app;
GRANT UPDATE (name, slug, updated_at) ON orgs TO gatehouse_app;
GRANT INSERT, UPDATE (name) ON tenants TO gatehouse_app;
GRANT UPDATE (role), DELETE ON memberships TO gatehouse_app;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON invitations TO gatehouse_app;
GRANT SELECT, INSERT ON audit_events TO gatehouse_app;

GRANT SELECT, INSERT, UPDATE (hash, pepper_version), DELETE ON api_key_retired_secrets TO gatehouse_definer;
GRANT DELETE ON api_keys, usage_records, tenants, memberships, orgs TO gatehouse_definer;
-- A row is locked FOR UPDATE only by who may update it.
GRANT UPDATE (updated_at) ON orgs TO gatehouse_definer;
GRANT UPDATE (name) ON tenants TO gatehouse_definer;
GRANT UPDATE (claimed_tenant_id) ON users TO gatehouse_definer;
GRANT SELECT, INSERT, DELETE ON humans TO gatehouse_definer;
GRANT SELECT, UPDATE (accepted_at, accepted_by), DELETE ON invitations TO gatehouse_definer;
GRANT SELECT, INSERT, DELETE ON audit_events TO gatehouse_definer;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO gatehouse_definer;

-- ---------------------------------------------------------------------------------------------------- revocation

-- Everything that a kept key holds; use and names tell nobody.
DROP TRIGGER announce_change ON api_keys;
CREATE TRIGGER announce_change
  AFTER DELETE OR UPDATE OF hash, scopes, requests_per_minute, requests_per_minute_per_human, expires_at, revoked_at,
    tenant_id, type, allowed_origins, oidc_issuer, oidc_audience, oidc_jwks_uri, human_prefix ON api_keys
  FOR EACH ROW EXECUTE FUNCTION announce_api_key();

-- A publishable key holds the prefixes of its tenant's other issuers: one more, or one less, concerns them all.
CREATE FUNCTION announce_human_prefix() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'api-key:' || k.id) FROM api_keys k
    WHERE k.tenant_id = NEW.tenant_id AND k.type = 'PUBLISHABLE' AND k.id <> NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER announce_human_prefix
  AFTER INSERT OR UPDATE OF human_prefix, revoked_at ON api_keys
  FOR EACH ROW WHEN (NEW.type = 'PUBLISHABLE') EXECUTE FUNCTION announce_human_prefix();

-- Memberships are kept by tenant: with the tenant they go.
CREATE FUNCTION announce_tenant() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM pg_notify('gatehouse_revoked', 'membership:' || m.org_id || ':' || m.user_id)
    FROM memberships m WHERE m.org_id = OLD.org_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER announce_change AFTER DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION announce_tenant();

-- ---------------------------------------------------------------------------------------------------- functions

-- Functions that change are made anew, and only their owner may drop them.
SET LOCAL ROLE gatehouse_definer;
DROP FUNCTION find_api_key(bytea[]);
DROP FUNCTION rehash_api_key(bytea, bytea, integer);
DROP FUNCTION create_org(text, text, boolean, text, text, text, text, uuid);
DROP FUNCTION reserve_usage(uuid, uuid[], text[], text[], text[], text[], text[], text[], boolean[], bigint[], bigint[]);
DROP FUNCTION settle_usage(uuid[], text[], integer[], bigint[], bigint[], boolean[], integer[]);
SET LOCAL ROLE NONE;

-- A credential look-up, by one hash for each pepper in use: one row always. Refusing an unknown, a revoked and an expired
-- secret takes the same way: of each hash the first secret at or after it is fetched, which is there for one that nobody
-- has, too, then the key of that one; and unless it is the secret that was asked for, and good, the row is empty but for
-- `expired`. A retired secret ends with its grace, or with its key if that comes first.
-- The sub-select hides the hashes from the planner, which then settles on one plan for all of them: to plan each call anew
-- would take several times as long as the call, and not the same time for each hash.
CREATE FUNCTION find_api_key(p_hashes bytea[])
  RETURNS TABLE (id text, tenant_id text, type text, hash bytea, pepper_version integer, scopes text[],
                 requests_per_minute integer, requests_per_minute_per_human integer, expires_at timestamptz,
                 expired boolean, allowed_origins text[], oidc_issuer text, oidc_audience text, oidc_jwks_uri text,
                 human_prefix text, other_human_prefixes text[])
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT live.id, live.tenant_id, live.type, live.secret_hash, live.secret_pepper_version, live.scopes,
           live.requests_per_minute, live.requests_per_minute_per_human, live.ends_at,
           CASE WHEN secret.found AND k.revoked_at IS NULL THEN secret.ends_at <= now() END, live.allowed_origins,
           live.oidc_issuer, live.oidc_audience, live.oidc_jwks_uri, live.human_prefix,
           CASE WHEN live.type = 'PUBLISHABLE' THEN ARRAY(
             SELECT DISTINCT o.human_prefix FROM api_keys o
             WHERE o.tenant_id = live.tenant_id AND o.type = 'PUBLISHABLE'
               AND o.human_prefix <> '' AND o.human_prefix <> live.human_prefix) END
    FROM (VALUES (1)) AS always (row)
    LEFT JOIN unnest((SELECT p_hashes)) AS presented (hash) ON true
    LEFT JOIN LATERAL (
      SELECT a.id, a.hash, a.pepper_version FROM api_keys a
      WHERE a.hash >= presented.hash ORDER BY a.hash LIMIT 1
    ) AS c ON true
    LEFT JOIN LATERAL (
      SELECT s.key_id, s.hash, s.pepper_version, s.expires_at FROM api_key_retired_secrets s
      WHERE s.hash >= presented.hash ORDER BY s.hash LIMIT 1
    ) AS r ON true
    LEFT JOIN api_keys k ON k.id = CASE WHEN r.hash = presented.hash THEN r.key_id ELSE c.id END
    CROSS JOIN LATERAL (
      SELECT c.hash = presented.hash OR r.hash = presented.hash AS found,
             CASE WHEN r.hash = presented.hash THEN least(k.expires_at, r.expires_at) ELSE k.expires_at END AS ends_at
    ) AS secret
    LEFT JOIN LATERAL (
      SELECT k.*, secret.ends_at, presented.hash AS secret_hash,
             CASE WHEN r.hash = presented.hash THEN r.pepper_version ELSE c.pepper_version END AS secret_pepper_version
      WHERE secret.found AND k.revoked_at IS NULL AND (secret.ends_at <= now()) IS NOT TRUE
    ) AS live ON true
    ORDER BY secret.found DESC NULLS LAST
    LIMIT 1
  $$;

CREATE FUNCTION rehash_api_key(p_old_hash bytea, p_new_hash bytea, p_new_version integer) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE api_keys SET hash = p_new_hash, pepper_version = p_new_version WHERE hash = p_old_hash;
    UPDATE api_key_retired_secrets SET hash = p_new_hash, pepper_version = p_new_version WHERE hash = p_old_hash;
  $$;

-- Queues the claims that a user should have now: the tenant that they chose last, while they are a member there, else
-- the first one that they belong to, else none. What was queued for them before is void.
CREATE FUNCTION queue_claims(p_user_id text, p_claim_write_id uuid) RETURNS TABLE (tenant_id text, role text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_tenant_id text;
  v_role text;
BEGIN
  -- One after the other for one user, so that the last to be queued has seen what the others changed.
  PERFORM 1 FROM users u WHERE u.id = p_user_id FOR NO KEY UPDATE;
  FOR v_tenant_id, v_role IN
    SELECT t.id, m.role FROM memberships m JOIN tenants t ON t.org_id = m.org_id
    WHERE m.user_id = p_user_id
    ORDER BY (t.id = (SELECT u.claimed_tenant_id FROM users u WHERE u.id = p_user_id)) DESC NULLS LAST,
             m.created_at, t.created_at, t.id
  LOOP
    -- One that is being deleted (purge_tenant) is passed over: claims to it would lead nowhere.
    IF pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || v_tenant_id, 0)) THEN
      PERFORM 1 FROM tenants t WHERE t.id = v_tenant_id;
      EXIT WHEN FOUND;
    END IF;
    v_tenant_id := NULL;
    v_role := NULL;
  END LOOP;
  UPDATE users SET claimed_tenant_id = v_tenant_id WHERE id = p_user_id;
  DELETE FROM claim_writes WHERE user_id = p_user_id;
  INSERT INTO claim_writes (id, user_id, claims, next_attempt_at)
    SELECT p_claim_write_id, u.id,
           CASE WHEN v_tenant_id IS NULL THEN 'null'::jsonb
                ELSE jsonb_build_object('tenant_id', v_tenant_id, 'role', v_role) END,
           clock_timestamp() + interval '15 seconds'
    FROM users u WHERE u.id = p_user_id;
  RETURN QUERY SELECT v_tenant_id, v_role;
END
$$;

-- What a queued write still has to write; no row: a later one took its place, or it is done.
CREATE FUNCTION find_claim_write(p_id uuid) RETURNS TABLE (claims jsonb)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ SELECT w.claims FROM claim_writes w WHERE w.id = p_id $$;

CREATE FUNCTION create_org(p_user_id text, p_email text, p_has_claim boolean, p_org_id text, p_tenant_id text,
                                      p_name text, p_slug text, p_claim_write_id uuid)
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

  UPDATE users SET claimed_tenant_id = v_tenant_id WHERE id = p_user_id;
  PERFORM queue_claims(p_user_id, p_claim_write_id);
  RETURN QUERY SELECT v_result, v_org.id, v_tenant_id, v_org.name, v_org.slug, v_org.created_at::timestamptz, v_role;
END
$$;

-- The orgs that a user belongs to, newest first, each with its tenants.
CREATE FUNCTION list_orgs(p_user_id text, p_before_created_at timestamptz, p_before_id text, p_limit integer)
  RETURNS TABLE (id text, name text, slug text, created_at timestamptz, role text, tenants jsonb)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT o.id, o.name, o.slug, o.created_at, m.role,
           (SELECT coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name) ORDER BY t.created_at, t.id), '[]')
            FROM tenants t WHERE t.org_id = o.id)
    FROM memberships m JOIN orgs o ON o.id = m.org_id
    WHERE m.user_id = p_user_id
      AND (p_before_id IS NULL OR (o.created_at, o.id) < (p_before_created_at, p_before_id))
    ORDER BY o.created_at DESC, o.id DESC LIMIT p_limit
  $$;

-- Makes a tenant the one that a member's claims name. No row: the user is no member of that tenant's org.
CREATE FUNCTION switch_tenant(p_user_id text, p_tenant_id text, p_claim_write_id uuid)
  RETURNS TABLE (org_id text, tenant_id text, name text, created_at timestamptz, role text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
BEGIN
  -- Not while it is being deleted.
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('tenant:' || p_tenant_id, 0));
  UPDATE users u SET claimed_tenant_id = t.id
  FROM tenants t JOIN memberships m ON m.org_id = t.org_id
  WHERE u.id = p_user_id AND t.id = p_tenant_id AND m.user_id = p_user_id;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM queue_claims(p_user_id, p_claim_write_id);
  RETURN QUERY SELECT t.org_id, t.id, t.name, t.created_at::timestamptz, m.role
    FROM tenants t JOIN memberships m ON m.org_id = t.org_id WHERE t.id = p_tenant_id AND m.user_id = p_user_id;
END
$$;

-- Takes an invitation. `result` is one of
--   accepted        the user is a member now; the claims are queued
--   not_found       unknown, revoked, run out, or used by another
--   wrong_email     it was sent to another address
--   inviter_lacks   whoever invited holds no such role any more
--   member_already
-- Nothing is written but for the first. The org is locked first, as by everybody who changes its people: a demotion of the
-- inviter comes either before, and counts, or after. Addresses are compared without case in ASCII alone: beyond it, letters
-- of different addresses fold into one.
CREATE FUNCTION accept_invitation(p_token_hashes bytea[], p_user_id text, p_email text, p_set_claims boolean,
                                  p_claim_write_id uuid)
  RETURNS TABLE (result text, invitation_id text, org_id text, tenant_id text, name text, slug text, created_at timestamptz,
                 role text)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_invitation invitations%ROWTYPE;
  v_is_member boolean;
  v_result text := 'accepted';
  v_tenant_id text;
BEGIN
  PERFORM 1 FROM orgs o
    WHERE o.id = (SELECT i.org_id FROM invitations i WHERE i.token_hash = ANY (p_token_hashes)) FOR UPDATE;
  SELECT i.* INTO v_invitation FROM invitations i WHERE i.token_hash = ANY (p_token_hashes) FOR UPDATE;
  v_is_member := EXISTS (SELECT 1 FROM memberships m WHERE m.org_id = v_invitation.org_id AND m.user_id = p_user_id);
  IF v_invitation.id IS NULL OR v_invitation.revoked_at IS NOT NULL OR v_invitation.expires_at <= clock_timestamp()
     OR v_invitation.accepted_at IS NOT NULL AND NOT (v_is_member AND v_invitation.accepted_by = p_user_id) THEN
    v_result := 'not_found';
  ELSIF v_invitation.email <> lower(p_email COLLATE "C") THEN
    v_result := 'wrong_email';
  ELSIF v_is_member THEN
    v_result := 'member_already';
  ELSIF NOT EXISTS (SELECT 1 FROM memberships m WHERE m.org_id = v_invitation.org_id AND m.user_id = v_invitation.invited_by
                    AND array_position(ARRAY['viewer', 'developer', 'admin', 'owner'], m.role)
                      >= array_position(ARRAY['viewer', 'developer', 'admin', 'owner'], v_invitation.role)) THEN
    v_result := 'inviter_lacks';
  END IF;
  IF v_result <> 'accepted' THEN
    RETURN QUERY SELECT v_result, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::timestamptz, NULL::text;
    RETURN;
  END IF;

  SELECT t.id INTO v_tenant_id FROM tenants t WHERE t.org_id = v_invitation.org_id ORDER BY t.created_at, t.id LIMIT 1;
  INSERT INTO users (id, email) VALUES (p_user_id, p_email) ON CONFLICT (id) DO UPDATE SET email = excluded.email;
  INSERT INTO memberships (org_id, user_id, role) VALUES (v_invitation.org_id, p_user_id, v_invitation.role);
  UPDATE invitations SET accepted_at = clock_timestamp(), accepted_by = p_user_id WHERE id = v_invitation.id;
  IF p_set_claims THEN
    UPDATE users SET claimed_tenant_id = v_tenant_id WHERE id = p_user_id;
    PERFORM queue_claims(p_user_id, p_claim_write_id);
  END IF;
  RETURN QUERY SELECT v_result, v_invitation.id, o.id, v_tenant_id, o.name, o.slug, o.created_at::timestamptz, v_invitation.role
    FROM orgs o WHERE o.id = v_invitation.org_id;
END
$$;

-- Takes away every row of a tenant but one: its tombstone in the org's audit log, which names nobody. The tenant's row is
-- locked first, so that no reservation or key slips in behind.
CREATE FUNCTION purge_tenant(p_tenant_id text, p_audit_id uuid) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_org_id text;
  v_user_id text;
BEGIN
  -- Waits for reservations that are on their way; those that come now are refused.
  PERFORM pg_advisory_xact_lock(hashtextextended('tenant:' || p_tenant_id, 0));
  SELECT t.org_id INTO v_org_id FROM tenants t WHERE t.id = p_tenant_id FOR UPDATE;
  -- In the order in which requests lock them.
  WITH own AS (
    SELECT w.key FROM rate_windows w
    WHERE w.key LIKE 'key:%' AND split_part(w.key, ':', 2) IN (SELECT k.id FROM api_keys k WHERE k.tenant_id = p_tenant_id)
    ORDER BY w.key FOR UPDATE)
  DELETE FROM rate_windows w USING own WHERE w.key = own.key;
  DELETE FROM api_key_retired_secrets WHERE tenant_id = p_tenant_id;
  DELETE FROM api_keys WHERE tenant_id = p_tenant_id;
  DELETE FROM usage_records WHERE tenant_id = p_tenant_id;
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
END
$$;

-- Deletes a tenant of the current tenant's org: `deleted`, `not_found`, `wrong_name` or `last_tenant`.
CREATE FUNCTION delete_tenant(p_tenant_id text, p_name text, p_audit_id uuid) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_org_id text := current_org_id();
  v_name text;
BEGIN
  PERFORM 1 FROM orgs o WHERE o.id = v_org_id FOR UPDATE;
  SELECT t.name INTO v_name FROM tenants t WHERE t.id = p_tenant_id AND t.org_id = v_org_id;
  IF NOT FOUND THEN
    RETURN 'not_found';
  ELSIF v_name <> p_name THEN
    RETURN 'wrong_name';
  ELSIF (SELECT count(*) FROM tenants t WHERE t.org_id = v_org_id) = 1 THEN
    RETURN 'last_tenant';
  END IF;
  PERFORM purge_tenant(p_tenant_id, p_audit_id);
  RETURN 'deleted';
END
$$;

-- Deletes the current tenant's org with all that it has: `deleted` or `wrong_name`. Each tenant leaves its tombstone.
CREATE FUNCTION delete_org(p_name text) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_org_id text := current_org_id();
  v_name text;
  v_id text;
BEGIN
  SELECT o.name INTO v_name FROM orgs o WHERE o.id = v_org_id FOR UPDATE;
  IF v_name IS DISTINCT FROM p_name THEN
    RETURN 'wrong_name';
  END IF;
  -- In one order, since those of another org that is being deleted may be among them.
  PERFORM 1 FROM users u JOIN tenants t ON t.id = u.claimed_tenant_id
    WHERE t.org_id = v_org_id ORDER BY u.id FOR NO KEY UPDATE OF u;
  DELETE FROM memberships WHERE org_id = v_org_id;
  DELETE FROM invitations WHERE org_id = v_org_id;
  DELETE FROM audit_events WHERE org_id = v_org_id AND tenant_id IS NULL AND action <> 'tenant.deleted';
  FOR v_id IN SELECT t.id FROM tenants t WHERE t.org_id = v_org_id
  LOOP
    PERFORM purge_tenant(v_id, gen_random_uuid());
  END LOOP;
  DELETE FROM orgs WHERE id = v_org_id;
  RETURN 'deleted';
END
$$;

-- Claims an Idempotency-Key for this transaction, or tells what the request that claimed it was answered. A second request
-- waits for the first one's end. A key is forgotten after a day.
CREATE FUNCTION claim_idempotency_key(p_owner text, p_key text, p_tenant_id text, p_request_hash bytea)
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

-- Keeps what the request that claimed the key is answered; `p_tenant_id` where that became known only now.
CREATE FUNCTION finish_idempotency_key(p_owner text, p_key text, p_tenant_id text, p_response jsonb) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    UPDATE idempotency_keys SET response = p_response, tenant_id = coalesce(p_tenant_id, tenant_id)
    WHERE owner = p_owner AND key = p_key
  $$;

CREATE FUNCTION prune_idempotency_keys() RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$ DELETE FROM idempotency_keys WHERE created_at < clock_timestamp() - interval '24 hours' $$;

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
    INSERT INTO humans (tenant_id, human, id)
      VALUES (p_tenant_id, p_human, 'hum_' || replace(gen_random_uuid()::text, '-', ''))
      ON CONFLICT (tenant_id, human) DO NOTHING;
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
-- the audit log is written here, in the reservation's own transaction. `p_humans` is null where no call names one,
-- `p_routes` and `p_addresses` where none is made on a human's behalf.
--
-- `refused_ids`: those whose tenant is gone, or is just being deleted; each other one is held against purge_tenant until
-- this commits. Not `alive`, and nothing reserved: the lease is not, so that nobody would sweep them.
CREATE FUNCTION reserve_usage(p_lease_id uuid, p_ids uuid[], p_tenant_ids text[], p_key_ids text[], p_user_ids text[],
                              p_humans text[], p_request_ids text[], p_providers text[], p_models text[],
                              p_streamed boolean[], p_reserved_input_tokens bigint[], p_reserved_output_tokens bigint[],
                              p_routes text[], p_addresses text[], OUT alive boolean, OUT refused_ids uuid[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_tenants integer;
  v_done boolean := false;
  v_held_ids text[] := '{}';
  v_known_ids text[];
  v_human_ids text[];
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
    refused_ids := ARRAY(SELECT r.id FROM unnest(p_ids, p_tenant_ids) AS r (id, tenant_id)
                         WHERE r.tenant_id <> ALL (v_known_ids));
  END IF;

  IF p_humans IS NOT NULL THEN
    -- Again where one of them was erased between the two statements.
    LOOP
      SELECT array_agg(h.id ORDER BY r.place),
             bool_and(h.id IS NOT NULL OR r.human IS NULL OR coalesce(r.tenant_id <> ALL (v_known_ids), false))
        INTO v_human_ids, v_done
        FROM unnest(p_tenant_ids, p_humans) WITH ORDINALITY AS r (tenant_id, human, place)
        LEFT JOIN humans h ON h.tenant_id = r.tenant_id AND h.human = r.human;
      EXIT WHEN v_done;
      INSERT INTO humans (tenant_id, human, id)
        SELECT r.tenant_id, r.human, 'hum_' || replace(gen_random_uuid()::text, '-', '')
        FROM (SELECT DISTINCT u.tenant_id, u.human FROM unnest(p_tenant_ids, p_humans) AS u (tenant_id, human)
              WHERE u.human IS NOT NULL AND (v_known_ids IS NULL OR u.tenant_id = ANY (v_known_ids))
              ORDER BY u.tenant_id, u.human) AS r
        ON CONFLICT (tenant_id, human) DO NOTHING;
    END LOOP;
  END IF;

  INSERT INTO usage_records (id, tenant_id, key_id, user_id, human_id, request_id, provider, model, streamed,
                             reserved_input_tokens, reserved_output_tokens, lease_id, created_at)
  SELECT r.id, r.tenant_id, r.key_id, r.user_id, r.human_id, r.request_id, r.provider, r.model, r.streamed,
         r.reserved_input_tokens, r.reserved_output_tokens, p_lease_id, clock_timestamp()
  FROM unnest(p_ids, p_tenant_ids, p_key_ids, p_user_ids, v_human_ids, p_request_ids, p_providers, p_models, p_streamed,
              p_reserved_input_tokens, p_reserved_output_tokens)
    AS r (id, tenant_id, key_id, user_id, human_id, request_id, provider, model, streamed, reserved_input_tokens,
          reserved_output_tokens)
  WHERE v_known_ids IS NULL OR r.tenant_id = ANY (v_known_ids)
  ON CONFLICT (id) DO NOTHING;

  IF p_routes IS NOT NULL THEN
    INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, human_id, resource_type, resource_id,
                              request_id, address)
    SELECT md5('audit:' || r.id)::uuid, t.org_id, t.id, 'request.impersonated', 'key', r.key_id, r.human_id, 'route',
           r.route, r.request_id, r.address
    FROM unnest(p_ids, p_tenant_ids, p_key_ids, v_human_ids, p_request_ids, p_routes, p_addresses)
      AS r (id, tenant_id, key_id, human_id, request_id, route, address)
    JOIN tenants t ON t.id = r.tenant_id
    WHERE r.route IS NOT NULL AND (v_known_ids IS NULL OR r.tenant_id = ANY (v_known_ids))
    ON CONFLICT (id) DO NOTHING;
  END IF;
END
$$;

-- Corrections keep the human of the row that they correct. One whose tenant is being deleted, or is gone, is not written:
-- the tenant's row is locked against deletion.
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
  INSERT INTO usage_records (id, tenant_id, kind, adjusts, key_id, user_id, human_id, request_id, provider, model, streamed,
                             state, outcome, status_code, reserved_input_tokens, reserved_output_tokens, input_tokens,
                             output_tokens, estimated, latency_ms, lease_id, settled_at)
  SELECT md5('adjustment:' || r.id)::uuid, r.tenant_id, 'ADJUSTMENT', r.id, r.key_id, r.user_id, r.human_id, r.request_id,
         r.provider, r.model, r.streamed, 'SETTLED', t.outcome, t.status_code, 0, 0, t.input_tokens - r.input_tokens,
         t.output_tokens - r.output_tokens, t.estimated, t.latency_ms, r.lease_id, clock_timestamp()
  FROM unnest(p_ids, p_outcomes, p_status_codes, p_input_tokens, p_output_tokens, p_estimated, p_latency_ms)
    AS t (id, outcome, status_code, input_tokens, output_tokens, estimated, latency_ms)
  JOIN usage_records r ON r.id = t.id
  JOIN tenants n ON n.id = r.tenant_id
  WHERE r.state = 'SWEPT'
  ORDER BY n.id
  FOR KEY SHARE OF n
  ON CONFLICT (id) DO NOTHING;
END
$$;

-- What request windows hold, without taking a place. Opens none: of a key whose window closed, or never was, it tells
-- what a window that opened now would be.
CREATE FUNCTION peek_rate_windows(p_keys text[], p_window interval)
  RETURNS TABLE (key text, used integer, resets_at timestamptz)
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT k.key, coalesce(w.used, 0), coalesce(w.opened_at, clock_timestamp()) + p_window
    FROM unnest(p_keys) AS k (key)
    LEFT JOIN rate_windows w ON w.key = k.key AND w.opened_at + p_window > clock_timestamp()
  $$;

-- Gives places back, of requests that were refused after all: to the windows that close at `p_resets_at`, and to no later
-- window of the same key. Rows are locked in the order of take_rate_windows.
CREATE FUNCTION release_rate_windows(p_keys text[], p_resets_at timestamptz[], p_places integer[], p_window interval)
  RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    WITH held AS (
      SELECT w.key, r.places
      FROM unnest(p_keys, p_resets_at, p_places) AS r (key, resets_at, places)
      JOIN rate_windows w ON w.key = r.key AND w.opened_at + p_window = r.resets_at
      ORDER BY w.key
      FOR UPDATE OF w)
    UPDATE rate_windows w SET used = greatest(0, w.used - held.places) FROM held WHERE held.key = w.key
  $$;

GRANT CREATE ON SCHEMA public TO gatehouse_definer;
DO $$
DECLARE
  signature text;
BEGIN
  FOREACH signature IN ARRAY ARRAY[
    'current_org_id()',
    'find_api_key(bytea[])',
    'rehash_api_key(bytea, bytea, integer)',
    'queue_claims(text, uuid)',
    'find_claim_write(uuid)',
    'create_org(text, text, boolean, text, text, text, text, uuid)',
    'settle_usage(uuid[], text[], integer[], bigint[], bigint[], boolean[], integer[])',
    'list_orgs(text, timestamptz, text, integer)',
    'switch_tenant(text, text, uuid)',
    'accept_invitation(bytea[], text, text, boolean, uuid)',
    'delete_tenant(text, text, uuid)',
    'delete_org(text)',
    'claim_idempotency_key(text, text, text, bytea)',
    'finish_idempotency_key(text, text, text, jsonb)',
    'prune_idempotency_keys()',
    'peek_rate_windows(text[], interval)',
    'release_rate_windows(text[], timestamptz[], integer[], interval)',
    'record_impersonation(uuid, text, text, text, text, text, text)',
    'reserve_usage(uuid, uuid[], text[], text[], text[], text[], text[], text[], text[], boolean[], bigint[], bigint[], text[], text[])'
  ]
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO gatehouse_app', signature);
    EXECUTE format('ALTER FUNCTION %s OWNER TO gatehouse_definer', signature);
  END LOOP;
  -- For other functions alone.
  FOREACH signature IN ARRAY ARRAY['purge_tenant(text, uuid)', 'announce_human_prefix()', 'announce_tenant()']
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('ALTER FUNCTION %s OWNER TO gatehouse_definer', signature);
  END LOOP;
END
$$;
REVOKE CREATE ON SCHEMA public FROM gatehouse_definer;
