import { randomUUID } from 'node:crypto';
import { RecordingClaimsWriter } from '../../test/support/claims.js';
import { eventually, watch } from '../../test/support/eventually.js';
import { endingOf } from '../../test/support/faults.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { onDatabase, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { dashboardUser, seedMembers, startTenancy, type Tenancy } from '../../test/support/tenancy.js';
import type { Role } from '../identity/index.js';
import type { Fault } from '../platform/errors/index.js';

let test: TestDatabase;
let acme: SeededTenant;
let globex: SeededTenant;
let issuer: RecordingClaimsWriter;
let replicas: Tenancy[];

beforeEach(async () => {
  test = await createTestDatabase();
  acme = await seedTenant(test.superuserUrl);
  globex = await seedTenant(test.superuserUrl);
  issuer = new RecordingClaimsWriter();
  replicas = [0, 1].map(() => startTenancy(test.ownerUrl, issuer));
});

afterEach(async () => {
  await Promise.all(replicas.map((replica) => replica.stop()));
  await test.drop();
});

const on = (turn: number): Tenancy => replicas[turn % 2]!;
const as = (userId: string, role: Role = 'owner') => dashboardUser(userId, acme.tenantId, role);
const owner = () => as(acme.ownerId);
const sql = <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
  rowsOf<Row & Record<string, unknown>>(test.superuserUrl, text, values);

const claimedBy = async (userId: string): Promise<string | null> =>
  (await sql<{ id: string | null }>('SELECT claimed_tenant_id AS id FROM users WHERE id = $1', [userId]))[0]!.id;

async function create(name: string, by = owner()): Promise<string> {
  const { body } = await on(0).tenants.create(by, { name }, null);
  return (body as { tenant: { id: string } }).tenant.id;
}

describe('switching', () => {
  it('switches to any tenant of any org that the person belongs to, and to no other', async () => {
    const staging = await create('Staging');
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'developer' });
    const bob = as('bob', 'developer');
    expect(await on(0).tenants.switch(bob, staging)).toMatchObject({
      org_id: acme.orgId,
      tenant_id: staging,
      name: 'Staging',
      role: 'developer',
    });
    expect(await endingOf(on(0).tenants.switch(bob, globex.tenantId))).toBe('not_found');
    expect(await claimedBy('bob')).toBe(staging);
    await seedMembers(test.superuserUrl, globex.orgId, { bob: 'admin' });
    expect(await on(1).tenants.switch(bob, globex.tenantId)).toMatchObject({ org_id: globex.orgId, role: 'admin' });
    expect(issuer.written).toEqual([
      ['bob', { tenant_id: staging, role: 'developer' }],
      ['bob', { tenant_id: globex.tenantId, role: 'admin' }],
    ]);
    expect(await claimedBy('bob')).toBe(globex.tenantId);
  });

  it('survives a change of role: the claims keep naming the chosen tenant', async () => {
    const staging = await create('Staging');
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'developer' });
    await on(0).tenants.switch(as('bob', 'developer'), staging);
    await on(0).members.update(owner(), { userId: 'bob', role: 'viewer' });
    expect(issuer.written.at(-1)).toEqual(['bob', { tenant_id: staging, role: 'viewer' }]);
  });

  it('and being removed at the same moment ends without a tenant of that org', async () => {
    const staging = await create('Staging');
    for (let round = 0; round < 10; round += 1) {
      const bob = `bob-${round}`;
      await seedMembers(test.superuserUrl, acme.orgId, { [bob]: 'viewer' });
      await Promise.all([
        endingOf(on(0).tenants.switch(as(bob, 'viewer'), staging)),
        endingOf(on(1).members.remove(owner(), bob)),
      ]);
      expect(await claimedBy(bob)).toBeNull();
    }
    await eventually(async () => (await sql('SELECT 1 FROM claim_writes')).length === 0);
  });
});

it('an open choice stays valid while the person is removed from another org', async () => {
  await sql("INSERT INTO tenants (id, org_id, name) VALUES ('globex-2', $1, 'Second')", [globex.orgId]);
  for (const { orgId } of [acme, globex]) await seedMembers(test.superuserUrl, orgId, { bob: 'viewer' });
  await on(0).tenants.switch(as('bob', 'viewer'), acme.tenantId);
  await onDatabase(test.superuserUrl, async (client) => {
    await client.query('BEGIN');
    await client.query("SELECT * FROM switch_tenant('bob', 'globex-2', $1)", [randomUUID()]);
    const removal = watch(on(0).members.remove(owner(), 'bob'));
    await eventually(async () => {
      const waiting = await sql(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      return waiting.length === 1;
    });
    await client.query('COMMIT');
    await eventually(() => removal.ending !== undefined);
    expect(removal.ending).toEqual({ value: undefined });
  });
  expect(await claimedBy('bob')).toBe('globex-2');
  expect(issuer.written.at(-1)).toEqual(['bob', { tenant_id: 'globex-2', role: 'viewer' }]);
});

describe('a new tenant', () => {
  it('has an id made from its name, belongs to the org, and publishes an event', async () => {
    const id = await create('Größe & Söhne');
    expect(id).toMatch(/^gro-e-so-hne-[a-z0-9]{6}$/);
    expect(await sql('SELECT org_id, name FROM tenants WHERE id = $1', [id])).toEqual([
      { org_id: acme.orgId, name: 'Größe & Söhne' },
    ]);
    expect(on(0).published).toEqual([
      {
        action: 'tenant.created',
        actor: { type: 'user', id: acme.ownerId },
        tenantId: null,
        resource: { type: 'tenant', id },
        details: {},
      },
    ]);
  });

  it('is made once for an Idempotency-Key, whose answer is deleted with the tenant', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, turn) => on(turn).tenants.create(owner(), { name: 'Staging' }, 'k')),
    );
    const made = answers.map(({ body }) => (body as { tenant: { id: string } }).tenant);
    for (const tenant of made) expect(tenant).toEqual(made[0]);
    expect(answers.filter(({ replayed }) => replayed)).toHaveLength(4);
    expect(await sql('SELECT 1 FROM tenants WHERE org_id = $1', [acme.orgId])).toHaveLength(2);
    await on(0).tenants.delete(owner(), { tenantId: made[0]!.id, name: 'Staging' });
    expect(await sql('SELECT 1 FROM idempotency_keys')).toEqual([]);
  });
});

describe("another org's tenant", () => {
  it('is answered exactly as a missing one', async () => {
    const faults: string[] = [];
    for (const tenantId of [globex.tenantId, 'none']) {
      for (const work of [
        () => on(0).tenants.get(owner(), tenantId),
        () => on(0).tenants.update(owner(), { tenantId, name: 'Mine' }),
        () => on(0).tenants.switch(owner(), tenantId),
        () => on(0).tenants.delete(owner(), { tenantId, name: 'Production' }),
      ])
        faults.push(await work().then(String, ({ kind, message }: Fault) => `${kind} ${message}`));
    }
    expect(new Set(faults).size).toBe(1);
    expect(faults[0]).toMatch(/^not_found /);
    expect(await sql('SELECT name FROM tenants WHERE id = $1', [globex.tenantId])).toEqual([{ name: 'Production' }]);
  });

  it('is in no list', async () => {
    const staging = await create('Staging');
    const { records } = await on(0).tenants.list(owner(), { pageSize: 0, pageToken: '' });
    expect(records.map(({ id }) => id)).toEqual([staging, acme.tenantId]);
  });
});
