import { uuidV7 } from '../platform/crypto/index.js';
import { RecordingClaimsWriter } from '../../test/support/claims.js';
import { eventually, watch } from '../../test/support/eventually.js';
import { furnish } from '../../test/support/furnished-tenant.js';
import { endingOf } from '../../test/support/faults.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { connectionTo, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { dashboardUser, seedMembers, startTenancy, type Tenancy } from '../../test/support/tenancy.js';
import { rowsWith } from '../../test/support/tenant-remains.js';
import type { Role } from '../identity/index.js';

const SETTLE =
  "SELECT settle_usage(ARRAY[($1::uuid, $2::text, 'COMPLETED', 200, 1, 1, 1, 0, 1, false, 1, 0, 0)::settlement], true)";

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

async function create(name: string, by = owner()): Promise<string> {
  const { body } = await on(0).tenants.create(by, { name }, null);
  return (body as { tenant: { id: string } }).tenant.id;
}

const tombstoneOf = (tenantId: string, orgId = acme.orgId) => ({
  id: expect.any(String) as string,
  org_id: orgId,
  tenant_id: null,
  occurred_at: expect.any(String) as string,
  action: 'tenant.deleted',
  actor_type: 'user',
  actor_id: null,
  human_id: null,
  resource_type: 'tenant',
  resource_id: tenantId,
  request_id: null,
  address: null,
  details: {},
});

describe('a tenant that is deleted', () => {
  it('leaves one row, its tombstone, without a person’s name; other tenants keep all their data', async () => {
    const staging = await create('Staging');
    const other = await create('Other');
    for (const tenantId of [staging, other, globex.tenantId]) await furnish(test.superuserUrl, tenantId);
    const others = () => rowsWith(test.superuserUrl, [other, globex.tenantId]);
    const before = await others();
    await on(0).tenants.delete(owner(), { tenantId: staging, name: 'Staging' });
    expect(await rowsWith(test.superuserUrl, [staging])).toEqual({ audit_events: [tombstoneOf(staging)] });
    expect(await others()).toEqual(before);
  });

  it("may be the owner's current one, and the owner's claims then name another", async () => {
    const other = await create('Other');
    await sql('UPDATE users SET claimed_tenant_id = $1 WHERE id = $2', [acme.tenantId, acme.ownerId]);
    await on(0).tenants.delete(owner(), { tenantId: acme.tenantId, name: 'Production' });
    expect(await rowsWith(test.superuserUrl, [acme.tenantId])).toEqual({ audit_events: [tombstoneOf(acme.tenantId)] });
    expect(await sql('SELECT user_id, claims FROM claim_writes')).toEqual([
      { user_id: acme.ownerId, claims: { tenant_id: other, role: 'owner' } },
    ]);
  });

  it.each<[string, () => [string, string], string]>([
    ["another org's", () => [globex.tenantId, 'Production'], 'not_found'],
    ['unknown', () => ['none', 'Production'], 'not_found'],
    ['not typed exactly', () => [acme.tenantId, 'production'], 'invalid_input'],
    ['typed with an additional blank', () => [acme.tenantId, 'Production '], 'invalid_input'],
    ['named by an empty text', () => [acme.tenantId, ''], 'invalid_input'],
  ])('stays where it is %s', async (_what, wrong, expected) => {
    await create('Another');
    const [tenantId, name] = wrong();
    expect(await endingOf(on(0).tenants.delete(owner(), { tenantId, name }))).toBe(expected);
    expect(await sql("SELECT 1 FROM tenants WHERE org_id <> 'org_anonymous'")).toHaveLength(3);
  });

  it("stays where it is the org's last, even if two are deleted at once", async () => {
    const staging = await create('Staging');
    const outcome = await Promise.all([
      endingOf(on(0).tenants.delete(owner(), { tenantId: acme.tenantId, name: 'Production' })),
      endingOf(
        on(1).tenants.delete(dashboardUser(acme.ownerId, staging, 'owner'), { tenantId: staging, name: 'Staging' }),
      ),
    ]);
    expect(outcome.sort()).toEqual(['conflict', 'done']);
    expect(await sql('SELECT 1 FROM tenants WHERE org_id = $1', [acme.orgId])).toHaveLength(1);
  });

  it('gets no row of open requests: they are refused at once, or wait for the deletion and then find no tenant', async () => {
    const staging = await create('Staging');
    await furnish(test.superuserUrl, staging);
    const [{ id: leaseId }] = (await sql<{ id: string }>('SELECT id FROM process_leases')) as [{ id: string }];
    const [reserved, swept] = [uuidV7(), uuidV7()];
    await sql(
      `INSERT INTO usage_records (id, tenant_id, request_id, provider, model, streamed, reserved_input_tokens,
                                  reserved_output_tokens, lease_id, state)
       SELECT t.id, $3, 'req', 'openai', 'm', false, 1, 1, $4, t.state
       FROM (VALUES ($1::uuid, 'RESERVED'), ($2::uuid, 'SWEPT')) AS t (id, state)`,
      [reserved, swept, staging, leaseId],
    );
    const under: { name: string; text: string; values: unknown[] }[] = [
      {
        name: 'a reservation',
        text: "SELECT * FROM admit_usage($1, ARRAY[($2::uuid, $3::text, 'ada', 'key', NULL, NULL, NULL, 'req', 'openai', 'm', false, 1, 1, NULL, NULL, 1, false, 1, 1, '/v1', 'a', NULL, 'chat', NULL, 1, false)::admission], false, true)",
        values: [leaseId, uuidV7(), staging],
      },
      {
        name: 'a settlement',
        text: SETTLE,
        values: [reserved, staging],
      },
      {
        name: 'a correction of a swept call',
        text: SETTLE,
        values: [swept, staging],
      },
      {
        name: 'a row of the audit log',
        text: "SELECT record_impersonation($1, $2, 'key', 'ada', '/v1', 'req', 'a')",
        values: [uuidV7(), staging],
      },
      {
        name: 'a claim of an Idempotency-Key',
        text: "SELECT * FROM claim_idempotency_key('o', 'k', $1, '\\x00')",
        values: [staging],
      },
    ];
    const asApp = new URL(test.ownerUrl);
    asApp.searchParams.set('options', '-c role=gatehouse_app');
    const deleting = connectionTo(asApp.href);
    const others = under.map(() => connectionTo(asApp.href));
    try {
      await Promise.all([deleting, ...others].map((client) => client.connect()));
      await deleting.query('BEGIN');
      await deleting.query("SELECT set_config('app.tenant_id', $1, true)", [acme.tenantId]);
      expect((await deleting.query("SELECT delete_tenant($1, 'Staging', $2) AS r", [staging, uuidV7()])).rows).toEqual([
        { r: 'deleted' },
      ]);
      const running = under.map(({ text, values }, index) => watch(others[index]!.query(text, values)));
      await eventually(async () => {
        const [waiting] = await sql<{ n: number }>(
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        // Reservations and calls on a human's behalf wait for no deletion, and settlements for a tenth of a second, since other
        // tenants' would wait with them.
        return waiting!.n === 1 && running.filter(({ ending }) => ending !== undefined).length === under.length - 1;
      });
      await deleting.query('COMMIT');
      await eventually(() => running.every(({ ending }) => ending !== undefined));
      // Their queue retries settlements.
      for (const { text, values } of under.filter(({ text: sent }) => sent === SETTLE))
        await others[0]!.query(text, values);
    } finally {
      await Promise.all([deleting, ...others].map((client) => client.end()));
    }
    expect(await rowsWith(test.superuserUrl, [staging])).toEqual({ audit_events: [tombstoneOf(staging)] });
  });
});

describe('an org that is deleted', () => {
  it('leaves only the tombstones of its tenants; its people belong to other orgs or to none', async () => {
    const staging = await create('Staging');
    for (const tenantId of [acme.tenantId, staging, globex.tenantId]) await furnish(test.superuserUrl, tenantId);
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'admin', eve: 'viewer' });
    await seedMembers(test.superuserUrl, globex.orgId, { eve: 'viewer' });
    await sql("UPDATE users SET claimed_tenant_id = $1 WHERE id IN ('bob', 'eve')", [staging]);
    await on(0).invitations.invite(owner(), { email: 'zoe@example.com', role: 'admin' }, 'https://x', null);
    const [{ name }] = (await sql<{ name: string }>('SELECT name FROM orgs WHERE id = $1', [acme.orgId])) as [
      { name: string },
    ];
    const globexBefore = await rowsWith(test.superuserUrl, [globex.tenantId]);

    expect(await endingOf(on(0).orgs.delete(owner(), name.toLowerCase()))).toBe('invalid_input');
    await on(0).orgs.delete(owner(), name);

    const remains = await rowsWith(test.superuserUrl, [acme.orgId, acme.tenantId, staging, 'zoe@example.com']);
    expect(Object.keys(remains)).toEqual(['audit_events']);
    expect(remains['audit_events']).toHaveLength(2);
    expect(remains['audit_events']).toEqual(expect.arrayContaining([tombstoneOf(acme.tenantId), tombstoneOf(staging)]));
    const { claim_writes: _claims, ...globexAfter } = await rowsWith(test.superuserUrl, [globex.tenantId]);
    const { users: _before, ...unchanged } = globexBefore;
    expect(globexAfter).toMatchObject(unchanged);
    expect(await sql('SELECT user_id, claims FROM claim_writes ORDER BY user_id')).toEqual([
      { user_id: 'bob', claims: null },
      { user_id: 'eve', claims: { tenant_id: globex.tenantId, role: 'viewer' } },
    ]);
  });

  it('stays where the caller is no longer an owner', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'admin' });
    expect(await endingOf(on(0).orgs.delete(as('bob'), 'Org'))).toBe('permission_denied');
    expect(await endingOf(on(0).tenants.delete(as('bob'), { tenantId: acme.tenantId, name: 'Production' }))).toBe(
      'permission_denied',
    );
    expect(await sql("SELECT 1 FROM orgs WHERE id <> 'org_anonymous'")).toHaveLength(2);
  });

  it('that others change at the same moment is deleted whole, and they get that they are not members', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'admin', eve: 'viewer' });
    const [{ name }] = (await sql<{ name: string }>('SELECT name FROM orgs WHERE id = $1', [acme.orgId])) as [
      { name: string },
    ];
    const bob = as('bob', 'admin');
    const [deleted, ...others] = await Promise.all([
      endingOf(on(0).orgs.delete(owner(), name)),
      endingOf(on(1).members.update(bob, { userId: 'eve', role: 'developer' })),
      endingOf(on(1).tenants.create(bob, { name: 'Late' }, 'late-1')),
      endingOf(on(0).invitations.invite(bob, { email: 'zoe@example.com', role: 'viewer' }, 'https://x', 'late-2')),
      endingOf(on(0).orgs.update(bob, { name: 'Renamed' })),
    ]);
    // A rename by another owner makes the typed name wrong.
    if (deleted === 'done')
      expect(Object.keys(await rowsWith(test.superuserUrl, [acme.orgId]))).toEqual(['audit_events']);
    else expect(deleted).toBe('invalid_input');
    for (const other of others) expect(['done', 'permission_denied']).toContain(other);
  });
});
