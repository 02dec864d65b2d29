/** The commands that an operator runs in the database while no service runs: the first org, all tenants, the sweeps. */
import { randomUUID } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { onDatabase, rowsOf, seedTenant } from '../../support/sql.js';
import { OperatorStage } from './operator-stage.js';

let stage: OperatorStage;
let database: TestDatabase;

beforeAll(async () => {
  stage = await OperatorStage.start(createTestDatabase);
  ({ database } = stage);
});

afterAll(() => stage.stop());

const run: OperatorStage['run'] = (args, env) => stage.run(args, env);

async function json<T>(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<T> {
  const { status, stdout, stderr } = await run([...args, '--json'], env);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

const sql = <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
  rowsOf<Row & Record<string, unknown>>(database.superuserUrl, text, values);

interface Made {
  readonly orgId: string;
  readonly tenantId: string;
  readonly created: boolean;
}

describe('bootstrap', () => {
  it('makes an org, a tenant and an owner, once, and records it in the audit log', async () => {
    const owner = `subject-${randomUUID()}`;
    const args = ['bootstrap', '--org', 'First Org', '--owner', owner, '--email', 'ann@example.org'];
    const made = await json<Made>(args);
    expect(made.created).toBe(true);
    expect(
      await sql(
        `SELECT m.role, u.email, t.org_id, u.claimed_tenant_id FROM memberships m JOIN users u ON u.id = m.user_id
         JOIN tenants t ON t.org_id = m.org_id WHERE m.user_id = $1`,
        [owner],
      ),
    ).toEqual([{ role: 'owner', email: 'ann@example.org', org_id: made.orgId, claimed_tenant_id: made.tenantId }]);
    expect(await sql('SELECT action, actor_id FROM audit_events WHERE org_id = $1', [made.orgId])).toEqual([
      { action: 'org.created', actor_id: owner },
    ]);
    expect(await json<Made>(args)).toEqual({ ...made, created: false });
  });

  it('with an address alone makes an org without a member, and a link that another run replaces', async () => {
    const args = ['bootstrap', '--org', 'Invited Org', '--email', 'Ann@Example.org'];
    const env = { PUBLIC_URL: 'https://gate.example' };
    const first = await json<Made & { link: string; token: string }>(args, env);
    expect(first).toMatchObject({ created: true, link: `https://gate.example/accept-invitation#token=${first.token}` });
    const second = await json<Made & { token: string }>(args);
    expect(second).toMatchObject({ orgId: first.orgId, tenantId: first.tenantId, created: false });
    expect(second).not.toHaveProperty('link');
    expect(second.token).not.toBe(first.token);
    expect(await sql('SELECT 1 FROM memberships WHERE org_id = $1', [first.orgId])).toEqual([]);
    expect(
      await sql(
        'SELECT email, role, revoked_at IS NULL AS open FROM invitations WHERE org_id = $1 ORDER BY created_at',
        [first.orgId],
      ),
    ).toEqual([
      { email: 'ann@example.org', role: 'owner', open: false },
      { email: 'ann@example.org', role: 'owner', open: true },
    ]);
    expect(
      await sql('SELECT action, actor_type, actor_id FROM audit_events WHERE org_id = $1 ORDER BY occurred_at', [
        first.orgId,
      ]),
    ).toEqual(
      ['org.created', 'member.invited', 'invitation.revoked', 'member.invited'].map((action) => ({
        ...{ action, actor_type: 'system', actor_id: 'operator' },
      })),
    );
    // Another address is another org, of another slug.
    const other = await json<Made>([...args.slice(0, -1), 'bob@example.org']);
    expect(other).toMatchObject({ created: true });
    expect(other.orgId).not.toBe(first.orgId);
  });

  it('refuses what is not an address, and neither an owner nor an address', async () => {
    expect(await run(['bootstrap', '--org', 'Third', '--email', 'ann'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('must be an e-mail address') as string,
    });
    expect(await run(['bootstrap', '--org', 'Third'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--email') as string,
    });
  });

  it('refuses an owner who has another org, and an empty name', async () => {
    const { ownerId } = await seedTenant(database.superuserUrl);
    expect(await run(['bootstrap', '--org', 'Second', '--owner', ownerId])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('already belong to an org') as string,
    });
    expect(await run(['bootstrap', '--org', ' ', '--owner', 'ann'])).toMatchObject({ status: 2, stdout: '' });
  });
});

describe('operator', () => {
  it('shows tenants of all orgs, and who may use the platform’s providers', async () => {
    const [a, b] = [await seedTenant(database.superuserUrl), await seedTenant(database.superuserUrl)];
    const allowing = { PLATFORM_PROVIDER_TENANTS: a.tenantId };
    const { tenants } = await json<{ tenants: { id: string; orgId: string; platformProviders: boolean }[] }>(
      ['operator', 'tenants'],
      allowing,
    );
    const told = (id: string) => tenants.find((tenant) => tenant.id === id);
    expect([told(a.tenantId), told(b.tenantId)]).toMatchObject([
      { orgId: a.orgId, platformProviders: true },
      { orgId: b.orgId, platformProviders: false },
    ]);
    expect(await json(['operator', 'tenants', '--most', '1'])).toMatchObject({ tenants: [{ id: b.tenantId }] });
    // Every database has this one, for sealed tokens without a tenant: it belongs to no org of users.
    expect(told('gatehouse-anonymous')).toBeUndefined();
    const all = await json<{ tenants: { platformProviders: boolean }[] }>(['operator', 'tenants'], {
      PLATFORM_PROVIDER_TENANTS: '*',
    });
    expect(new Set(all.tenants.map(({ platformProviders }) => platformProviders))).toEqual(new Set([true]));
    const one = await json<object>(['operator', 'tenant', b.tenantId]);
    expect(one).toMatchObject({ tenant: { id: b.tenantId, members: 1, keys: 0, lastCallAt: null } });
    expect(await run(['operator', 'tenant', 'none'])).toMatchObject({ status: 1, stdout: '' });
  });

  it('names an id of the allow-list that belongs to no tenant, and exits with 1', async () => {
    const { tenantId } = await seedTenant(database.superuserUrl);
    const mistyped = await run(['operator', 'providers'], { PLATFORM_PROVIDER_TENANTS: `${tenantId},acme-mistyped` });
    expect(mistyped.status).toBe(1);
    expect(mistyped.stdout).toMatch(/^acme-mistyped +no such tenant$/m);
    expect(await json(['operator', 'providers'], { PLATFORM_PROVIDER_TENANTS: '*' })).toEqual({
      all: true,
      tenants: [],
    });
  });
});

it('sweep charges the open calls of dead processes, and drops rows past their retention', async () => {
  const { tenantId, orgId } = await seedTenant(database.superuserUrl);
  await rowsOf(database.ownerUrl, "SELECT add_usage_partition(now() - interval '100 days')");
  const [lease] = await sql<{ id: string }>(
    `INSERT INTO process_leases (id, term, renewed_at, ended_at) VALUES (gen_random_uuid(), '1 minute', now(), now()) RETURNING id`,
  );
  for (const [age, state] of [
    ['100 days', 'SETTLED'],
    ['0', 'RESERVED'],
  ])
    await sql(
      `INSERT INTO usage_records (id, tenant_id, request_id, provider, model, streamed, state, reserved_input_tokens,
         reserved_output_tokens, input_tokens, lease_id, created_at)
       VALUES (adjustment_id(usage_id_floor(now() - $2::interval)), $1, 'req', 'openai', 'm', false, $3, 1, 1, 7, $4, now() - $2::interval)`,
      [tenantId, age, state, lease!.id],
    );
  await sql(
    `INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, resource_type, resource_id, occurred_at)
     VALUES (gen_random_uuid(), $1, $2, 'key.created', 'user', 'key', 'x', now() - interval '100 days')`,
    [orgId, tenantId],
  );
  const env = { GATEHOUSE_LEDGER_RETENTION_DAYS: '40', GATEHOUSE_AUDIT_RETENTION_DAYS: '40' };
  expect(await json(['status'], env)).toMatchObject({ queues: { ledger: { depth: 1 } } });
  expect(await json(['sweep'], env)).toEqual({
    sweptCalls: 1,
    ledger: 'nothing',
    droppedMonths: [expect.stringMatching(/^\d{4}-\d\d$/)],
    droppedCalls: 1,
    auditEvents: 1,
  });
  expect(await sql('SELECT state FROM usage_records WHERE tenant_id = $1', [tenantId])).toEqual([{ state: 'SWEPT' }]);
  expect(await sql('SELECT input_tokens FROM usage_rollups WHERE tenant_id = $1', [tenantId])).toEqual([
    { input_tokens: '7' },
  ]);
  expect(await run(['sweep'])).toMatchObject({ status: 0, stdout: expect.stringContaining('is not set') as string });
});

it('sweep exits with 1 while another process drops old months', async () => {
  await onDatabase(database.superuserUrl, async (client) => {
    await client.query("SELECT pg_advisory_lock(hashtextextended('usage-retention', 0))");
    expect(await run(['sweep'], { GATEHOUSE_LEDGER_RETENTION_DAYS: '40' })).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('another process is at it') as string,
    });
  });
});
