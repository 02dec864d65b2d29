/** What the functions of the queue promise, without a service. */
import { uuidV7 } from '../platform/crypto/index.js';
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

interface RecordWishes {
  readonly input?: number;
  readonly output?: number;
  readonly requests?: number;
  readonly costPicoUsd?: string | null;
  readonly humanId?: string | null;
}

async function record({ tenantId }: SeededTenant, wishes: RecordWishes = {}): Promise<string> {
  const { input = 0, output = 0, requests = 0, costPicoUsd = null, humanId = null } = wishes;
  const id = uuidV7();
  await sql(
    `INSERT INTO usage_records (id, tenant_id, human_id, request_id, provider, model, streamed, reserved_input_tokens,
                                reserved_output_tokens, input_tokens, output_tokens, requests, cost_pico_usd, lease_id)
     VALUES ($1, $2, $3, 'req', 'openai', 'gpt-4o-mini', false, 0, 0, $4, $5, $6, $7, gen_random_uuid())`,
    [id, tenantId, humanId, input, output, requests, costPicoUsd],
  );
  return id;
}

const tell = (...ids: string[]): Promise<object[]> => sql('SELECT tell_usage($1)', [ids]);

/** As text, since what is exact must not pass through a double. */
const told = ({ tenantId }: SeededTenant): Promise<{ type: string; value: string }[]> =>
  sql(
    `SELECT payload ->> 'type' AS type, payload ->> 'value' AS value FROM webhook_events
     WHERE tenant_id = $1 AND type = 'usage.tracked' ORDER BY 1`,
    [tenantId],
  );

describe('usage.tracked', () => {
  it('is one event for each of tokens, requests and cost that is not 0, exact to the last digit', async () => {
    const id = await endpoint(acme);
    const recordId = await record(acme, {
      input: 10,
      output: 7,
      requests: 1,
      costPicoUsd: '9007199254740993',
      humanId: 'hum_1',
    });
    await tell(recordId);
    expect(await told(acme)).toEqual([
      { type: 'cost_micros', value: '9007199254.740993' },
      { type: 'request_cnt', value: '1' },
      { type: 'token_cnt', value: '17' },
    ]);
    const events = await sql<{ payload: Record<string, unknown>; id: string; human_id: string }>(
      "SELECT id, human_id, payload FROM webhook_events WHERE payload ->> 'type' = 'token_cnt'",
    );
    expect(events).toEqual([
      {
        id: expect.any(String) as string,
        human_id: 'hum_1',
        payload: {
          id: events[0]!.id,
          type: 'token_cnt',
          value: 17,
          project: acme.tenantId,
          metadata: { usage_record_id: recordId, model: 'gpt-4o-mini' },
        },
      },
    ]);
    expect(await sql('SELECT endpoint_id, status, attempts FROM webhook_deliveries')).toEqual(
      Array(3).fill({ endpoint_id: id, status: 'PENDING', attempts: 0 }),
    );
  });

  it('leaves out what is 0 or has no price, and tells a correction as it is', async () => {
    await endpoint(acme);
    await tell(await record(acme, { input: 5 }), await record(acme, { costPicoUsd: '0', requests: 0 }));
    expect(await told(acme)).toEqual([{ type: 'token_cnt', value: '5' }]);
    await tell(await record(acme, { input: -3, costPicoUsd: '-1500000' }));
    expect((await told(acme)).map(({ value }) => value).sort()).toEqual(['-1.5', '-3', '5']);
  });

  it('is told once, however often a record is settled', async () => {
    await endpoint(acme);
    const id = await record(acme, { input: 5 });
    await tell(id);
    await tell(id, id);
    expect(await told(acme)).toHaveLength(1);
    expect(await sql('SELECT 1 FROM webhook_deliveries')).toHaveLength(1);
  });

  it('goes to the tenants that listen, of those whose calls are settled together', async () => {
    await endpoint(globex);
    await endpoint(acme, ['run.failed']);
    await tell(await record(acme, { input: 5 }), await record(globex, { input: 6 }));
    expect(await told(acme)).toEqual([]);
    expect(await told(globex)).toEqual([{ type: 'token_cnt', value: '6' }]);
  });

  it('is nothing for an endpoint that is disabled', async () => {
    const id = await endpoint(acme);
    await sql(
      "UPDATE webhook_endpoints SET status = 'DISABLED', disabled_reason = 'REQUESTED', disabled_at = now() WHERE id = $1",
      [id],
    );
    await tell(await record(acme, { input: 5 }));
    expect(await sql('SELECT 1 FROM webhook_events')).toEqual([]);
  });

  it('is told of reported usage too', async () => {
    await endpoint(acme);
    for (const [type, microUnits] of [
      ['conversational_seconds', 1_500_000],
      ['memory_message_cnt', 0],
    ]) {
      await sql(
        `INSERT INTO usage_reports (id, tenant_id, human_id, type, micro_units, idempotency_key)
         VALUES (gen_random_uuid(), $1, 'hum_1', $2, $3, gen_random_uuid()::text)`,
        [acme.tenantId, type, microUnits],
      );
    }
    expect(await told(acme)).toEqual([{ type: 'conversational_seconds', value: '1.5' }]);
  });

  it('costs one probe of one index where no endpoint listens, whatever else exists', async () => {
    // Many endpoints that chose something else.
    await sql(
      "INSERT INTO webhook_endpoints (id, tenant_id, url, created_by) SELECT 'e' || n, $1, 'https://a', 'x' FROM generate_series(1, 3000) n",
      [acme.tenantId],
    );
    await sql(
      "INSERT INTO webhook_subscriptions (tenant_id, endpoint_id, type) SELECT $1, 'e' || n, unnest('{run.failed,run.completed}'::text[]) FROM generate_series(1, 3000) n",
      [acme.tenantId],
    );
    await sql('ANALYZE webhook_subscriptions');
    const ids = [await record(acme, { input: 1 })];
    await onDatabase(database.superuserUrl, async (client) => {
      // What this connection has read, as it was told to the statistics by its own transaction.
      await client.query('BEGIN');
      const read = async (): Promise<Record<string, number>> => {
        const { rows } = await client.query<{ name: string; read: number }>(
          `SELECT c.relname AS name, (pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_numscans(c.oid))::int AS read
           FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN
             ('webhook_subscriptions', 'webhook_subscriptions_type_tenant_id_idx', 'webhook_endpoints', 'usage_records', 'tenants')`,
        );
        return Object.fromEntries(rows.map(({ name, read: count }) => [name, count]));
      };
      const before = await read();
      await client.query('SELECT tell_usage($1)', [ids]);
      const after = await read();
      await client.query('COMMIT');
      const cost = Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - before[name]!]));
      expect(cost).toEqual({
        webhook_subscriptions: 0,
        webhook_subscriptions_type_tenant_id_idx: 1,
        webhook_endpoints: 0,
        usage_records: 0,
        tenants: 0,
      });
    });
  });
});

describe('a transaction that enqueues', () => {
  it.each<[string, () => Promise<[text: string, values: unknown[]]>]>([
    ['a tenant', () => Promise.resolve(['SELECT 1 FROM tenants WHERE id = $1 FOR UPDATE', [acme.tenantId]])],
    ['an endpoint', () => Promise.resolve(['DELETE FROM webhook_endpoints WHERE tenant_id = $1', [acme.tenantId]])],
  ])('does not wait for %s that is just being deleted, and makes no other fail', async (_what, deletion) => {
    await endpoint(acme);
    await endpoint(globex);
    const ids = [await record(acme, { input: 5 }), await record(globex, { input: 6 })];
    const deleting = connectionTo(database.superuserUrl);
    await deleting.connect();
    await deleting.query('BEGIN');
    await deleting.query(...(await deletion()));
    try {
      await tell(...ids);
      await sql("SELECT enqueue_webhook_event($1, 'usage.tracked', NULL, '{}')", [acme.tenantId]);
    } finally {
      await deleting.query('COMMIT');
      await deleting.end();
    }
    expect(await told(globex)).toHaveLength(1);
    expect(await told(acme)).toEqual([]);
  });
});
