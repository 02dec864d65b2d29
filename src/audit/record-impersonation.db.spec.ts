import { randomUUID } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { testSettings } from '../../test/support/settings.js';
import { connectionTo, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { Database } from '../platform/database/index.js';
import { AuditRepository } from './audit.repository.js';

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

const record = (human = 'ann', tenantId = acme.tenantId): Promise<boolean> =>
  repository.recordImpersonation({
    id: randomUUID(),
    tenantId,
    keyId: 'key_1',
    human,
    route: 'GET /v1/models',
    requestId: 'req_1',
    address: '203.0.113.7',
  });

/** Oldest first, by transaction, since two rows may have the same millisecond. */
const log = (): Promise<{ human_id: string; human: string | null }[]> =>
  rowsOf(
    postgres.superuserUrl,
    `SELECT a.human_id, h.human FROM audit_events a LEFT JOIN humans h ON h.tenant_id = a.tenant_id AND h.id = a.human_id
     WHERE a.tenant_id = $1 ORDER BY age(a.xmin) DESC`,
    [acme.tenantId],
  );

it("a call is one row, with the human's permanent id", async () => {
  expect(await Promise.all(Array.from({ length: 10 }, () => record()))).toEqual(Array(10).fill(true));
  expect(await record('bea')).toBe(true);
  const rows = await log();
  expect(rows.map(({ human }) => human)).toEqual([...Array<string>(10).fill('ann'), 'bea']);
  expect(new Set(rows.map(({ human_id: id }) => id)).size).toBe(2);
});

it("after a human's erasure the row has an id that leads nowhere", async () => {
  await record();
  await rowsOf(postgres.superuserUrl, 'DELETE FROM humans WHERE tenant_id = $1', [acme.tenantId]);
  await record();
  const [before, after] = await log();
  expect([before!.human, after!.human]).toEqual([null, 'ann']);
  expect(after!.human_id).not.toBe(before!.human_id);
});

it('a tenant that is deleted, or is just being deleted, gets no row, and the call does not wait for the deletion', async () => {
  expect(await record('ann', 'no-such-tenant')).toBe(false);
  const spare = `${acme.tenantId}-spare`;
  await rowsOf(postgres.superuserUrl, "INSERT INTO tenants (id, org_id, name) VALUES ($1, $2, 'Spare')", [
    spare,
    acme.orgId,
  ]);
  const deletion = connectionTo(postgres.superuserUrl);
  await deletion.connect();
  await deletion.query('BEGIN');
  await deletion.query("SELECT set_config('app.tenant_id', $1, true)", [spare]);
  await deletion.query("SELECT delete_tenant($1, 'Production', gen_random_uuid())", [acme.tenantId]);
  expect(await record()).toBe(false);
  await deletion.query('COMMIT');
  await deletion.end();
  expect(await record()).toBe(false);
  expect(await log()).toEqual([]);
  expect(await rowsOf(postgres.superuserUrl, 'SELECT 1 FROM humans WHERE tenant_id = $1', [acme.tenantId])).toEqual([]);
});
