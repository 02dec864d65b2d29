import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { PostgresProxy } from '../../test/support/postgres-proxy.js';
import { startReplica, type Replica } from '../../test/support/replica.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { CachedMembershipDirectory, type Membership } from './membership-directory.js';

let test: TestDatabase;
let proxy: PostgresProxy;
let acme: SeededTenant;
let globex: SeededTenant;
let replicas: Replica[];
let directories: CachedMembershipDirectory[];

beforeEach(async () => {
  test = await createTestDatabase();
  proxy = await PostgresProxy.start(test.ownerUrl);
  acme = await seedTenant(test.superuserUrl);
  globex = await seedTenant(test.superuserUrl);
  replicas = [];
  for (let i = 0; i < 2; i += 1) {
    replicas.push(
      await startReplica(test.ownerUrl, {
        databaseUrl: proxy.through(test.ownerUrl),
        databaseDirectUrl: test.ownerUrl,
      }),
    );
  }
  directories = replicas.map(
    ({ database, revocations, settings }) => new CachedMembershipDirectory(database, revocations, settings),
  );
});

afterEach(async () => {
  for (const replica of replicas) await replica.stop();
  await proxy.close();
  await test.drop();
});

/** The answer of every replica, once it has received all notifications. */
async function find(tenantId = acme.tenantId, userId = acme.ownerId): Promise<(Membership | null)[]> {
  const found: (Membership | null)[] = [];
  for (const [index, directory] of directories.entries()) {
    await replicas[index]!.hearEverything();
    found.push(await directory.find(tenantId, userId));
  }
  return found;
}

const owner = () => expect.objectContaining({ orgId: acme.orgId, role: 'owner' }) as Membership;

it('a member is found in each tenant of the org, and nowhere else', async () => {
  await rowsOf(test.superuserUrl, "INSERT INTO tenants (id, org_id, name) VALUES ('acme-staging', $1, 'Staging')", [
    acme.orgId,
  ]);
  expect(await find()).toEqual([owner(), owner()]);
  expect(await find('acme-staging')).toEqual([owner(), owner()]);
  expect(await find(globex.tenantId)).toEqual([null, null]);
  expect(await find('no such tenant')).toEqual([null, null]);
  expect(await find(acme.tenantId, globex.ownerId)).toEqual([null, null]);
});

it('a cached member costs no query', async () => {
  await find();
  proxy.statements = 0;
  await find();
  for (let i = 0; i < 50; i += 1) await directories[0]!.find(acme.tenantId, acme.ownerId);
  expect(proxy.statements).toBe(0);
});

it('a member who is demoted is that on every replica, in each tenant of the org, once it was told', async () => {
  await rowsOf(test.superuserUrl, "INSERT INTO tenants (id, org_id, name) VALUES ('acme-staging', $1, 'Staging')", [
    acme.orgId,
  ]);
  await find();
  await find('acme-staging');
  await rowsOf(test.superuserUrl, "UPDATE memberships SET role = 'viewer' WHERE user_id = $1", [acme.ownerId]);
  for (const tenantId of [acme.tenantId, 'acme-staging']) {
    expect(await find(tenantId)).toEqual([
      expect.objectContaining({ role: 'viewer' }),
      expect.objectContaining({ role: 'viewer' }),
    ]);
  }
});

it('a member who is removed is not a member on any replica, and one who comes back is one at once', async () => {
  await find();
  await rowsOf(test.superuserUrl, 'DELETE FROM memberships WHERE user_id = $1', [acme.ownerId]);
  expect(await find()).toEqual([null, null]);
  await rowsOf(test.superuserUrl, "INSERT INTO memberships (org_id, user_id, role) VALUES ($1, $2, 'admin')", [
    acme.orgId,
    acme.ownerId,
  ]);
  expect(await find()).toEqual([
    expect.objectContaining({ role: 'admin' }),
    expect.objectContaining({ role: 'admin' }),
  ]);
});

it('a member of one org who is moved to another is not a member of the first any more', async () => {
  await find();
  await rowsOf(test.superuserUrl, 'UPDATE memberships SET org_id = $1 WHERE user_id = $2', [
    globex.orgId,
    acme.ownerId,
  ]);
  expect(await find()).toEqual([null, null]);
  expect(await find(globex.tenantId)).toEqual([
    expect.objectContaining({ orgId: globex.orgId }),
    expect.objectContaining({ orgId: globex.orgId }),
  ]);
});

it('tenant and user are never mixed up, whatever stands in their names', async () => {
  await find('a', 'b\u0000c').catch(() => undefined);
  await rowsOf(test.superuserUrl, "INSERT INTO users (id) VALUES ('x')");
  await rowsOf(test.superuserUrl, "INSERT INTO memberships (org_id, user_id, role) VALUES ($1, 'x', 'viewer')", [
    acme.orgId,
  ]);
  expect(await find(acme.tenantId, 'x')).toEqual([
    expect.objectContaining({ role: 'viewer' }),
    expect.objectContaining({ role: 'viewer' }),
  ]);
  expect(await find(`${acme.tenantId}x`, '')).toEqual([null, null]);
});

it('an outage of the database is an error, and never "no member"', async () => {
  proxy.tcp.refuse(true);
  proxy.tcp.cut();
  await expect(directories[0]!.find(acme.tenantId, acme.ownerId)).rejects.toMatchObject({ kind: 'unavailable' });
});
