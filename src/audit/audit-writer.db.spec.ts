import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { testSettings } from '../../test/support/settings.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { Database, type TenantTransaction } from '../platform/database/index.js';
import { Events, type AuditAction, type DomainEvent, type PublishedEvent } from '../platform/events/index.js';
import { runWithRequestContext } from '../platform/context/index.js';
import { AuditWriter } from './audit-writer.js';

let postgres: TestDatabase;
let database: Database;
let events: Events;
let acme: SeededTenant;

beforeAll(async () => {
  postgres = await createTestDatabase();
  database = new Database(testSettings({ databaseUrl: postgres.ownerUrl }));
  events = new Events();
  new AuditWriter(events);
});

afterAll(async () => {
  await database.close();
  await postgres.drop();
});

beforeEach(async () => {
  acme = await seedTenant(postgres.superuserUrl);
});

const event = (changes: Partial<DomainEvent> = {}): DomainEvent => ({
  action: 'org.updated',
  actor: { type: 'user', id: 'ann' },
  tenantId: acme.tenantId,
  resource: { type: 'org', id: acme.orgId },
  ...changes,
});

/** A change and its event, in one transaction. */
const change = (
  told: DomainEvent,
  after: (tx: TenantTransaction) => Promise<unknown> = () => Promise.resolve(),
): Promise<void> =>
  database.withTenant(acme.tenantId, async (tx) => {
    await tx.$executeRaw`UPDATE orgs SET name = 'Changed' WHERE id = ${acme.orgId}`;
    // Any details, so that each kind of value is written.
    await events.publish(tx, told as PublishedEvent<AuditAction>);
    await after(tx);
  });

/** Oldest first, by transaction, since two rows may have the same millisecond. */
const log = (): Promise<Record<string, unknown>[]> =>
  rowsOf(postgres.superuserUrl, 'SELECT * FROM audit_events WHERE org_id = $1 ORDER BY age(xmin) DESC', [acme.orgId]);

async function isChanged(): Promise<boolean> {
  const rows = await rowsOf(postgres.superuserUrl, "SELECT 1 FROM orgs WHERE id = $1 AND name = 'Changed'", [
    acme.orgId,
  ]);
  return rows.length === 1;
}

it('an event about a human names the human by the id only', async () => {
  await change(event({ humanId: 'hum_7' }));
  await change(event());
  expect((await log()).map(({ human_id: humanId }) => humanId)).toEqual(['hum_7', null]);
});

it('an event is a row with who did what, when, in which request, from which address, on which resource', async () => {
  const details = { from_role: 'owner', toRole: 'viewer', none: null, nested: { a_b: [1, null] } };
  const before = new Date();
  await new Promise<void>((resolve, reject) => {
    runWithRequestContext({ requestId: 'req_7', address: '203.0.113.7' }, () => {
      change(event({ details })).then(resolve, reject);
    });
  });
  const [row, ...others] = await log();
  expect(others).toEqual([]);
  expect(row).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/) as string,
    org_id: acme.orgId,
    tenant_id: acme.tenantId,
    occurred_at: expect.any(Date) as Date,
    action: 'org.updated',
    actor_type: 'user',
    actor_id: 'ann',
    human_id: null,
    resource_type: 'org',
    resource_id: acme.orgId,
    request_id: 'req_7',
    address: '203.0.113.7',
    details,
  });
  expect((row!['occurred_at'] as Date).getTime()).toBeGreaterThanOrEqual(before.getTime() - 1000);
});

it('an event of the org has no tenant, and one outside a request has neither request nor address', async () => {
  await change(event({ tenantId: null, actor: { type: 'system', id: 'sweeper' } }));
  expect(await log()).toEqual([
    expect.objectContaining({ tenant_id: null, actor_type: 'system', request_id: null, address: null, details: {} }),
  ]);
});

it('an event whose row can’t be written makes its change fail', async () => {
  const impossible: Partial<DomainEvent>[] = [
    { details: { text: 'a\u0000b' } },
    { tenantId: 'no-such-tenant' },
    { actor: { type: 'robot' as 'user', id: 'x' } },
    { tenantId: (await seedTenant(postgres.superuserUrl)).tenantId },
  ];
  for (const changes of impossible) await expect(change(event(changes))).rejects.toThrow();
  expect({ changed: await isChanged(), log: await log() }).toEqual({ changed: false, log: [] });
});

it('a change that is rolled back leaves no row', async () => {
  const failure = new Error('the change failed after all');
  await expect(change(event(), () => Promise.reject(failure))).rejects.toThrow(failure);
  expect({ changed: await isChanged(), log: await log() }).toEqual({ changed: false, log: [] });
});
