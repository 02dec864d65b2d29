import { randomUUID } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { testSettings } from '../../test/support/settings.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { Database } from '../platform/database/index.js';
import {
  AuditRepository,
  READ_IN_ORDER,
  listing,
  type AuditEventRecord,
  type AuditFilter,
} from './audit.repository.js';

let postgres: TestDatabase;
let database: Database;
let repository: AuditRepository;
let acme: SeededTenant;

beforeAll(async () => {
  postgres = await createTestDatabase();
  database = new Database(testSettings({ databaseUrl: postgres.ownerUrl }));
  repository = new AuditRepository(database);
});

afterAll(async () => {
  await database.close();
  await postgres.drop();
});

beforeEach(async () => {
  acme = await seedTenant(postgres.superuserUrl);
});

const sql = <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
  rowsOf<Row & Record<string, unknown>>(postgres.superuserUrl, text, values);

interface Written {
  readonly orgId?: string;
  readonly tenantId?: string | null;
  readonly at?: string;
  readonly action?: string;
  readonly actor?: readonly [type: string, id: string | null];
  readonly humanId?: string;
  readonly resource?: readonly [type: string, id: string];
  readonly requestId?: string;
  readonly id?: string;
}

/** A row inserted by SQL; a test recognises it by its action. */
async function write(row: Written = {}): Promise<void> {
  const { orgId = acme.orgId, tenantId = acme.tenantId, at = '2030-01-01T00:00:00Z', action = 'key.created' } = row;
  const [actorType, actorId] = row.actor ?? ['user', 'ann'];
  const [resourceType, resourceId] = row.resource ?? ['key', 'key_1'];
  await sql(
    `INSERT INTO audit_events (id, org_id, tenant_id, occurred_at, action, actor_type, actor_id, human_id, resource_type,
                               resource_id, request_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      row.id ?? randomUUID(),
      orgId,
      tenantId,
      at,
      action,
      actorType,
      actorId,
      row.humanId ?? null,
      resourceType,
      resourceId,
      row.requestId ?? null,
    ],
  );
}

const list = (filter: AuditFilter = {}, tenantId = acme.tenantId): Promise<AuditEventRecord[]> =>
  repository.list(tenantId, filter, null, 500);
const actions = async (filter: AuditFilter = {}, tenantId = acme.tenantId): Promise<string[]> =>
  (await list(filter, tenantId)).map(({ action }) => action);

async function staging(): Promise<string> {
  const id = `${acme.tenantId}-staging`;
  await sql("INSERT INTO tenants (id, org_id, name) VALUES ($1, $2, 'Staging')", [id, acme.orgId]);
  return id;
}

describe('a tenant’s log', () => {
  it('has its own events and its org’s, newest first, and no other tenant’s, of its org or of another', async () => {
    const sibling = await staging();
    const stranger = await seedTenant(postgres.superuserUrl);
    await write({ at: '2030-01-01T00:00:01Z', action: 'own.first' });
    await write({ at: '2030-01-01T00:00:03Z', action: 'own.last' });
    await write({ at: '2030-01-01T00:00:02Z', action: 'org.between', tenantId: null });
    await write({ at: '2030-01-01T00:00:04Z', action: 'sibling', tenantId: sibling });
    await write({ at: '2030-01-01T00:00:04Z', action: 'stranger', ...stranger });
    await write({ at: '2030-01-01T00:00:04Z', action: 'stranger.org', orgId: stranger.orgId, tenantId: null });
    expect(await actions()).toEqual(['own.last', 'org.between', 'own.first']);
    expect(await actions({}, sibling)).toEqual(['sibling', 'org.between']);
    expect(await actions({}, stranger.tenantId)).toEqual(expect.arrayContaining(['stranger', 'stranger.org']));
    expect(await actions({}, 'no-such-tenant')).toEqual([]);
  });

  it('is listed page by page without gap or repeat, even with many events of one millisecond', async () => {
    const sibling = await staging();
    const made = Array.from({ length: 23 }, (_, index) => `event.${index}`);
    for (const [index, action] of made.entries()) {
      const tenantId = index % 3 === 0 ? null : acme.tenantId;
      await write({ action, tenantId, at: `2030-01-01T00:00:0${Math.floor(index / 10)}Z` });
      await write({ action: 'not.ours', tenantId: sibling });
    }
    const whole = await list();
    expect(whole.map(({ action }) => action).sort()).toEqual([...made].sort());
    const paged: AuditEventRecord[] = [];
    for (;;) {
      const last = paged.at(-1);
      const after = last === undefined ? null : { createdAt: last.occurredAt, id: last.id };
      const page = await repository.list(acme.tenantId, {}, after, 4);
      paged.push(...page);
      if (page.length < 4) break;
    }
    expect(paged).toEqual(whole);
  });

  it('can be filtered by each filter, and by all of them together', async () => {
    const all = {
      action: 'limits.set',
      actor: ['key', 'key_9'],
      resource: ['human', 'hum_9'],
      humanId: 'hum_9',
      requestId: 'req_9',
      at: '2030-01-02T00:00:00Z',
    } as const;
    await write();
    await write(all);
    const by: AuditFilter = {
      action: 'limits.set',
      actorType: 'key',
      actorId: 'key_9',
      humanId: 'hum_9',
      resourceType: 'human',
      resourceId: 'hum_9',
      requestId: 'req_9',
      startTime: new Date('2030-01-02T00:00:00Z'),
      endTime: new Date('2030-01-03T00:00:00Z'),
    };
    for (const [name, value] of Object.entries(by).filter(([name]) => name !== 'endTime')) {
      expect({ name, found: await actions({ [name]: value }) }).toEqual({ name, found: ['limits.set'] });
    }
    expect(await actions(by)).toEqual(['limits.set']);
    expect(await actions({ ...by, actorType: 'user' })).toEqual([]);
    // Filters compare bytes, and are not patterns.
    for (const action of ['LIMITS.SET', 'limits%', 'limits.set ', "' OR true --"])
      expect(await actions({ action })).toEqual([]);
  });

  it('includes the first instant of the requested time, and excludes the last', async () => {
    for (const at of ['2030-01-01T00:00:00.000Z', '2030-01-01T00:00:00.001Z', '2030-01-01T00:00:00.002Z'])
      await write({ at, action: at });
    const between = (from: string, to: string): Promise<string[]> =>
      actions({ startTime: new Date(from), endTime: new Date(to) });
    expect(await between('2030-01-01T00:00:00.001Z', '2030-01-01T00:00:00.002Z')).toEqual(['2030-01-01T00:00:00.001Z']);
    expect(await between('2030-01-01T00:00:00.001Z', '2030-01-01T00:00:00.001Z')).toEqual([]);
    expect(await between('0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z')).toHaveLength(3);
  });
});

describe('a human', () => {
  const named = (human: string, id: string, tenantId = acme.tenantId): Promise<unknown> =>
    sql('INSERT INTO humans (tenant_id, human, id) VALUES ($1, $2, $3)', [tenantId, human, id]);

  it('is shown with its name, and found by it, as long as the tenant has the human', async () => {
    await named('Ann 🦊', 'hum_ann');
    await named('ann 🦊', 'hum_other');
    await write({ action: 'for.ann', humanId: 'hum_ann' });
    await write({ action: 'for.other', humanId: 'hum_other' });
    await write({ action: 'for.nobody' });
    expect(await list({ human: 'Ann 🦊' })).toEqual([
      expect.objectContaining({ action: 'for.ann', humanId: 'hum_ann', human: 'Ann 🦊' }),
    ]);
    expect(await actions({ human: 'Ann 🦊', humanId: 'hum_ann' })).toEqual(['for.ann']);
    expect(await actions({ human: 'Ann 🦊', humanId: 'hum_other' })).toEqual([]);
    expect(await actions({ human: 'nobody' })).toEqual([]);
    await sql('DELETE FROM humans WHERE tenant_id = $1 AND human = $2', [acme.tenantId, 'Ann 🦊']);
    // After the erasure the row stays, without a name.
    expect(await list({ humanId: 'hum_ann' })).toEqual([
      expect.objectContaining({ action: 'for.ann', humanId: 'hum_ann', human: null }),
    ]);
    expect(await actions({ human: 'Ann 🦊' })).toEqual([]);
  });

  it('of another tenant is not found by name, even where the name is the same', async () => {
    const stranger = await seedTenant(postgres.superuserUrl);
    await named('ann', 'hum_strangers', stranger.tenantId);
    await named('ann', 'hum_ours');
    await write({ action: 'ours', humanId: 'hum_ours' });
    await write({ action: 'mixed up', humanId: 'hum_strangers' });
    expect(await actions({ human: 'ann' })).toEqual(['ours']);
    expect((await list({ humanId: 'hum_strangers' }))[0]!.human).toBeNull();
  });
});

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

it('reads from an index no more rows than a page shows, however long the log and whatever siblings wrote', async () => {
  const sibling = await staging();
  await sql(
    `INSERT INTO audit_events (id, org_id, tenant_id, occurred_at, action, actor_type, resource_type, resource_id)
     SELECT gen_random_uuid(), $1, CASE i % 10 WHEN 0 THEN $2 WHEN 1 THEN NULL ELSE $3 END,
            '2030-01-01'::timestamptz + i * interval '1 second', 'request.impersonated', 'key', 'route', 'r'
     FROM generate_series(1, 20000) AS i`,
    [acme.orgId, acme.tenantId, sibling],
  );
  await sql(
    `INSERT INTO audit_events (id, org_id, occurred_at, action, actor_type, resource_type, resource_id)
     SELECT gen_random_uuid(), 'org_' || i % 50, '2030-01-01'::timestamptz + i * interval '1 second', 'member.invited',
            'user', 'invitation', 'r' FROM generate_series(1, 20000) AS i`,
  );
  await sql('ANALYZE audit_events');
  const take = 51;
  /** With the plans of the first pages, and with the one plan that Postgres keeps later. */
  const reads = async (mode: string, filter: AuditFilter, after: Date | null): Promise<Plan[]> => {
    const cursor = after === null ? null : { createdAt: after, id: randomUUID() };
    const { text, values } = listing(acme.tenantId, filter, cursor, take);
    const literals = values.map((value) => (value === null ? 'NULL' : `'${value as string | number}'`));
    const [row] = await database.withTenant(acme.tenantId, async (tx) => {
      await tx.$queryRaw`SELECT set_config('plan_cache_mode', ${mode}, true)`;
      await tx.$executeRaw(READ_IN_ORDER);
      await tx.$executeRawUnsafe(`PREPARE listing AS ${text}`);
      const plans = await tx.$queryRawUnsafe<{ 'QUERY PLAN': [{ Plan: Plan }] }[]>(
        `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE listing(${literals.join(', ')})`,
      );
      await tx.$executeRawUnsafe('DEALLOCATE listing');
      return plans;
    });
    const below = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(below)];
    return below(row!['QUERY PLAN'][0].Plan).filter((plan) => plan['Relation Name'] === 'audit_events');
  };
  const middle = new Date('2030-01-01T03:00:00Z');
  for (const [filter, after] of [
    [{}, null],
    [{}, middle],
    [{ action: 'request.impersonated', startTime: new Date('2030-01-01T01:00:00Z'), endTime: middle }, null],
  ] as const) {
    for (const mode of ['force_custom_plan', 'force_generic_plan']) {
      const scans = await reads(mode, filter, after);
      expect(scans).toHaveLength(2);
      for (const scan of scans) {
        expect(scan['Index Name']).toBe('audit_events_tenant_id_org_id_occurred_at_id_idx');
        expect(scan['Actual Rows'] + (scan['Rows Removed by Filter'] ?? 0)).toBeLessThanOrEqual(take);
      }
    }
  }
});

it('is read by statements that Postgres does not compile', async () => {
  const [row] = await database.withTenant(acme.tenantId, async (tx) => {
    await tx.$executeRaw(READ_IN_ORDER);
    return tx.$queryRaw<{ jit: string }[]>`SHOW jit`;
  });
  expect(row).toEqual({ jit: 'off' });
});
