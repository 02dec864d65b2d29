/** What the functions of the queue promise, without a service. */
import { eventually, watch } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { connectionTo, onDatabase, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { seedEndpoint } from '../../test/support/webhook-endpoints.js';

let database: TestDatabase;
let acme: SeededTenant;
let globex: SeededTenant;

beforeEach(async () => {
  database = await createTestDatabase();
  acme = await seedTenant(database.superuserUrl);
  globex = await seedTenant(database.superuserUrl);
});

afterEach(() => database.drop());

const sql = <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
  rowsOf<Row & Record<string, unknown>>(database.superuserUrl, text, values);

const endpoint = (tenant: SeededTenant, types?: readonly string[], id?: string): Promise<string> =>
  seedEndpoint(database.superuserUrl, tenant, types, id);

describe('a claim', () => {
  const enqueue = (tenant: SeededTenant, count: number): Promise<object[]> =>
    sql(
      "SELECT enqueue_webhook_event($1, 'usage.tracked', NULL, jsonb_build_object('n', n)) FROM generate_series(1, $2::int) n",
      [tenant.tenantId, count],
    );
  interface Claimed {
    readonly id: string;
    readonly endpoint_id: string;
    readonly attempt: number;
  }
  const claim = ({ limit = 100, busy = [] as string[], after = '', term = '1 minute' } = {}): Promise<Claimed[]> =>
    sql<Claimed>('SELECT id, endpoint_id, attempt FROM claim_webhook_deliveries($1, $2, 4, $3, $4::interval)', [
      limit,
      busy,
      after,
      term,
    ]);

  it('does not blame an endpoint that was changed since the attempt began', async () => {
    const id = await endpoint(acme);
    await enqueue(acme, 1);
    const [claimed] = await claim();
    await sql("UPDATE webhook_endpoints SET url = 'https://b.invalid/', updated_at = clock_timestamp() WHERE id = $1", [
      id,
    ]);
    await sql("SELECT finish_webhook_delivery($1, $2, 410, 'GONE', NULL, '3 days')", [claimed!.id, claimed!.attempt]);
    expect(await sql('SELECT status, failing_since FROM webhook_endpoints WHERE id = $1', [id])).toEqual([
      { status: 'ENABLED', failing_since: null },
    ]);
  });

  it('leaves half of all places to others, however many endpoints one tenant has', async () => {
    const many = await Promise.all(Array.from({ length: 10 }, () => endpoint(acme)));
    await enqueue(acme, 4);
    const first = await claim({ limit: 16 });
    expect(first).toHaveLength(8);
    const busy = first.map((row) => row.endpoint_id);
    expect(busy.every((id) => many.includes(id))).toBe(true);
    expect(await claim({ limit: 8, busy })).toEqual([]);
    const theirs = await endpoint(globex);
    await enqueue(globex, 6);
    expect((await claim({ limit: 8, busy })).map((row) => row.endpoint_id)).toEqual([theirs, theirs, theirs, theirs]);
  });

  it('gives each endpoint its turn, a few at a time, one to one that fails, and none beyond what is under way', async () => {
    const [a, b, c] = ['a', 'b', 'c'];
    for (const id of [a, b, c]) await endpoint(acme, ['usage.tracked'], id);
    await enqueue(acme, 10);
    await sql("UPDATE webhook_endpoints SET failing_since = now() WHERE id = 'b'");
    const endpoints = (claimed: Claimed[]): string => claimed.map(({ endpoint_id: id }) => id).join('');
    expect(endpoints(await claim({ busy: ['a', 'a', 'b'] }))).toBe('aacccc');
    // Whose turn it is: after the one that was served last, round and round.
    expect(endpoints(await claim({ limit: 12, after: 'a' }))).toBe('bcccca');
    expect(endpoints(await claim({ limit: 4, after: 'c' }))).toBe('aaaa');
  });

  it('hands out deliveries without a secret too, so that they block no other', async () => {
    const id = await endpoint(acme);
    await sql('DELETE FROM webhook_secrets WHERE endpoint_id = $1', [id]);
    await enqueue(acme, 1);
    expect(await sql("SELECT secret_ids, envelopes FROM claim_webhook_deliveries(1, '{}', 4, '', '1 minute')")).toEqual(
      [{ secret_ids: [], envelopes: [] }],
    );
  });

  it('is taken by one of simultaneous callers, and becomes free when it expires', async () => {
    await endpoint(acme);
    await endpoint(globex);
    await enqueue(acme, 4);
    await enqueue(globex, 4);
    const claims = await Promise.all(Array.from({ length: 6 }, () => claim({ term: '1 hour' })));
    const ids = claims.flat().map(({ id }) => id);
    expect(ids).toHaveLength(8);
    expect(new Set(ids).size).toBe(8);
    expect(await claim()).toEqual([]);
    await sql('UPDATE webhook_deliveries SET next_attempt_at = now()');
    expect((await claim()).map(({ attempt }) => attempt)).toEqual(Array(8).fill(2));
  });

  it("that expired and was taken by another can't be finished by the first", async () => {
    await endpoint(acme);
    await enqueue(acme, 1);
    const [first] = await claim({ term: '0 seconds' });
    const [second] = await claim();
    expect(second!.id).toBe(first!.id);
    const finish = ({ id, attempt }: Claimed) =>
      sql("SELECT * FROM finish_webhook_delivery($1, $2, 500, 'REFUSED', NULL, '3 days')", [id, attempt]);
    const status = async () => (await sql<{ status: string }>('SELECT status FROM webhook_deliveries'))[0]!.status;
    await finish(first!);
    expect(await status()).toBe('PENDING');
    await finish(second!);
    expect(await status()).toBe('FAILED');
  });

  it('takes no delivery of an endpoint that is just being deleted, and waits for nothing', async () => {
    const id = await endpoint(acme);
    await enqueue(acme, 1);
    // Due again: the claim makes it ready before it takes it.
    const [first] = await sql<{ id: string }>("SELECT id FROM claim_webhook_deliveries(1, '{}', 4, '', '1 minute')");
    await sql("SELECT * FROM finish_webhook_delivery($1, 1, 500, 'REFUSED', '0 seconds', '3 days')", [first!.id]);
    await onDatabase(database.superuserUrl, async (deleting) => {
      await deleting.query('BEGIN');
      await deleting.query('SELECT 1 FROM webhook_endpoints WHERE id = $1 FOR UPDATE', [id]);
      const claiming = watch(sql("SELECT id FROM claim_webhook_deliveries(1, '{}', 4, '', '1 minute')"));
      await eventually(() => claiming.ending !== undefined);
      expect(claiming.ending).toEqual({ value: [] });
      await deleting.query('DELETE FROM webhook_endpoints WHERE id = $1', [id]);
      await deleting.query('COMMIT');
    });
    expect(await sql('SELECT 1 FROM webhook_deliveries')).toEqual([]);
  });
});

describe('a claim among many endpoints', () => {
  /** So many endpoints of a tenant, each with a delivery; `due` now, else in an hour. */
  async function crowd({ tenantId }: SeededTenant, count: number, due: boolean): Promise<void> {
    await sql(
      `WITH endpoints AS (
         INSERT INTO webhook_endpoints (id, tenant_id, url, created_by)
         SELECT 'webhook_' || gen_random_uuid(), $1, 'https://a.invalid/', 'x' FROM generate_series(1, $2::int) RETURNING id),
       event AS (
         INSERT INTO webhook_events (id, tenant_id, type, payload) VALUES (gen_random_uuid(), $1, 'usage.tracked', '{}')
         RETURNING id)
       INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id, ready, next_attempt_at)
       SELECT gen_random_uuid(), $1, endpoints.id, event.id, $3,
              clock_timestamp() + CASE WHEN $3 THEN interval '0' ELSE interval '1 hour' END
       FROM endpoints, event`,
      [tenantId, count, due],
    );
    await sql('ANALYZE webhook_deliveries');
  }

  /** How many rows and index entries one claim reads, and whose deliveries it gives. */
  const claimWatched = (): Promise<{ read: number; tenants: string[] }> =>
    onDatabase(database.superuserUrl, async (client) => {
      await client.query('BEGIN');
      const readByNow = async (): Promise<number> => {
        const { rows } = await client.query<{ read: number }>(
          `SELECT sum(pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid))::int AS read
           FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'webhook_%'`,
        );
        return rows[0]!.read;
      };
      const before = await readByNow();
      const { rows } = await client.query<{ tenant_id: string }>(
        "SELECT tenant_id FROM claim_webhook_deliveries(16, '{}', 4, '', '1 minute')",
      );
      const read = (await readByNow()) - before;
      await client.query('COMMIT');
      return { read, tenants: rows.map((row) => row.tenant_id) };
    });

  it('reads the due ones, however many wait for later', async () => {
    await crowd(acme, 3000, false);
    await crowd(globex, 1, true);
    const { read, tenants } = await claimWatched();
    expect(tenants).toEqual([globex.tenantId]);
    expect(read).toBeLessThan(100);
  });

  it('gives each tenant its turn, however many endpoints of another are due, and reads no more of these than it returns', async () => {
    await crowd(acme, 3000, true);
    await crowd(globex, 1, true);
    const { read, tenants } = await claimWatched();
    expect(tenants.filter((id) => id === globex.tenantId)).toHaveLength(1);
    // Half of the places that are left at its turn: of all 16, or of the other one's rest.
    expect(tenants.filter((id) => id === acme.tenantId)).toHaveLength(acme.tenantId < globex.tenantId ? 8 : 7);
    expect(read).toBeLessThan(300);
  });

  it('makes deliveries ready that have become due', async () => {
    await crowd(acme, 3, false);
    expect((await claimWatched()).tenants).toEqual([]);
    await sql('UPDATE webhook_deliveries SET next_attempt_at = now()');
    expect((await claimWatched()).tenants).toEqual(Array(3).fill(acme.tenantId));
  });
});

describe('an end', () => {
  it('that is our own mistake does not count against the endpoint', async () => {
    const id = await endpoint(acme);
    await sql("SELECT enqueue_webhook_event($1, 'usage.tracked', NULL, '{}')", [acme.tenantId]);
    const [{ id: deliveryId }] = (await sql<{ id: string }>(
      "SELECT id FROM claim_webhook_deliveries(1, '{}', 4, '', '1 minute')",
    )) as [{ id: string }];
    await sql("SELECT * FROM finish_webhook_delivery($1, 1, NULL, 'INTERNAL', '1 hour', '0 seconds')", [deliveryId]);
    expect(await sql('SELECT status, failing_since FROM webhook_endpoints WHERE id = $1', [id])).toEqual([
      { status: 'ENABLED', failing_since: null },
    ]);
  });

  it('and the deletion of its endpoint never deadlock', async () => {
    const id = await endpoint(acme);
    await sql("SELECT enqueue_webhook_event($1, 'usage.tracked', NULL, '{}')", [acme.tenantId]);
    const [claimed] = await sql<{ id: string }>("SELECT id FROM claim_webhook_deliveries(1, '{}', 4, '', '1 minute')");
    const deleting = connectionTo(database.superuserUrl);
    await deleting.connect();
    await deleting.query('BEGIN');
    await deleting.query('SELECT 1 FROM webhook_endpoints WHERE id = $1 FOR UPDATE', [id]);
    const finishing = watch(
      sql("SELECT * FROM finish_webhook_delivery($1, 1, 500, 'REFUSED', NULL, '3 days')", [claimed!.id]),
    );
    const WAITING =
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%finish_webhook%'";
    await eventually(async () => (await sql(WAITING)).length > 0);
    // If the end had locked the delivery first, this would be a deadlock.
    await deleting.query('DELETE FROM webhook_endpoints WHERE id = $1', [id]);
    await deleting.query('COMMIT');
    await deleting.end();
    await sql('SELECT 1 FROM webhook_deliveries FOR UPDATE');
    expect(finishing.ending === undefined || 'value' in finishing.ending).toBe(true);
    expect(await sql('SELECT 1 FROM webhook_deliveries')).toEqual([]);
  });
});
