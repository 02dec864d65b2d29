-- For each version of the pepper, a fixed text hashed under it. At its start the service sees by this whether a version still
-- has the secret that stored keys were hashed with; of the pepper itself it tells nothing.
CREATE TABLE pepper_checks (
  version integer PRIMARY KEY,
  hash    bytea NOT NULL
);

ALTER TABLE pepper_checks ENABLE ROW LEVEL SECURITY;
ALTER TABLE pepper_checks FORCE ROW LEVEL SECURITY;
CREATE POLICY definer ON pepper_checks TO gatehouse_definer USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE (hash) ON pepper_checks TO gatehouse_definer;
