-- Sealed access tokens stand in no table: here is only what must be known of them. A token that was made without a credential
-- belongs to a tenant of its own, of which nobody is a member.
ALTER TABLE orgs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY;
INSERT INTO orgs (id, name, slug, created_by) VALUES ('org_anonymous', 'Anonymous', 'gatehouse-anonymous', 'system')
  ON CONFLICT DO NOTHING;
INSERT INTO tenants (id, org_id, name) SELECT 'gatehouse-anonymous', o.id, 'Anonymous' FROM orgs o WHERE o.id = 'org_anonymous'
  ON CONFLICT DO NOTHING;
ALTER TABLE orgs FORCE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;

-- How many requests were counted in the windows of a minute, an hour and a day (in this order), and when each of these ends.
-- `holder`: the API as a whole or one token, each for all addresses or for one; tokens and addresses as hashes.
CREATE TABLE sealed_quotas (
  tenant_id text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE ON UPDATE CASCADE,
  holder    text NOT NULL,
  used      integer[] NOT NULL,
  ends_at   timestamptz(3)[] NOT NULL,
  PRIMARY KEY (tenant_id, holder)
) WITH (fillfactor = 50);

ALTER TABLE sealed_quotas ENABLE ROW LEVEL SECURITY;
ALTER TABLE sealed_quotas FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON sealed_quotas TO gatehouse_definer USING (true) WITH CHECK (true);
CREATE POLICY tenant ON sealed_quotas TO gatehouse_app
  USING (tenant_id = current_tenant_id()) WITH CHECK (tenant_id = current_tenant_id());

GRANT SELECT, INSERT, UPDATE, DELETE ON sealed_quotas TO gatehouse_definer;

-- What an operator revoked: one token, by the hash of its `jti`, or all that were issued before a moment.
CREATE TABLE sealed_revocations (
  id            uuid PRIMARY KEY,
  token_hash    text,
  issued_before timestamptz(3),
  created_at    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  CHECK ((token_hash IS NULL) <> (issued_before IS NULL))
);
CREATE INDEX sealed_revocations_token_hash_idx ON sealed_revocations (token_hash);
CREATE INDEX sealed_revocations_issued_before_idx ON sealed_revocations (issued_before);

ALTER TABLE sealed_revocations ENABLE ROW LEVEL SECURITY;
ALTER TABLE sealed_revocations FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON sealed_revocations TO gatehouse_definer USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON sealed_revocations TO gatehouse_definer;
