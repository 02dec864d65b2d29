/** What the functions of the queue promise, without a service. */
import { randomUUID } from 'node:crypto';
import { uuidV7 } from '../platform/crypto/index.js';
import { eventually, watch } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { connectionTo, onDatabase, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';

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

async function endpoint({ tenantId }: SeededTenant, types = ['usage.tracked'], id = `webhook_${randomUUID()}`) {
  await sql(
    "INSERT INTO webhook_endpoints (id, tenant_id, url, created_by) VALUES ($1, $2, 'https://a.invalid/', 'x')",
    [id, tenantId],
  );
  await sql('INSERT INTO webhook_subscriptions (tenant_id, endpoint_id, type) SELECT $1, $2, unnest($3::text[])', [
    tenantId,
    id,
    types,
  ]);
  await sql(
    "INSERT INTO webhook_secrets (id, tenant_id, endpoint_id, envelope, key_version) VALUES (gen_random_uuid(), $1, $2, '\\x00', 1)",
    [tenantId, id],
  );
  return id;
}

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

  it('hands out what lacks a secret too, so that it holds up no other', async () => {
    const id = await endpoint(acme);
    await sql('DELETE FROM webhook_secrets WHERE endpoint_id = $1', [id]);
    await enqueue(acme, 1);
    expect(await sql("SELECT secret_ids, envelopes FROM claim_webhook_deliveries(1, '{}', 4, '', '1 minute')")).toEqual(
      [{ secret_ids: [], envelopes: [] }],
    );
  });

  it('is taken by one of those who ask at once, and comes back when it runs out', async () => {
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

  it('that ran out and was taken up by another can not be finished by the first', async () => {
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

  it('reads those that are due, however many wait for later', async () => {
    await crowd(acme, 3000, false);
    await crowd(globex, 1, true);
    const { read, tenants } = await claimWatched();
    expect(tenants).toEqual([globex.tenantId]);
    expect(read).toBeLessThan(100);
  });

  it('gives each tenant its turn, however many endpoints of another one are due, and reads no more of these than it gives', async () => {
    await crowd(acme, 3000, true);
    await crowd(globex, 1, true);
    const { read, tenants } = await claimWatched();
    expect(tenants.filter((id) => id === globex.tenantId)).toHaveLength(1);
    // Half of what is left when it is its turn: all 16 places, or what the other one left.
    expect(tenants.filter((id) => id === acme.tenantId)).toHaveLength(acme.tenantId < globex.tenantId ? 8 : 7);
    expect(read).toBeLessThan(300);
  });

  it('makes ready what has become due', async () => {
    await crowd(acme, 3, false);
    expect((await claimWatched()).tenants).toEqual([]);
    await sql('UPDATE webhook_deliveries SET next_attempt_at = now()');
    expect((await claimWatched()).tenants).toEqual(Array(3).fill(acme.tenantId));
  });
});

describe('an end', () => {
  it('that is our own fault does not count against the endpoint', async () => {
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

  it('and the deletion of its endpoint never wait for each other', async () => {
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
    await eventually(
      async () => (await sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).length > 0,
    );
    // Had the end locked the delivery first, this would be a deadlock.
    await deleting.query('DELETE FROM webhook_endpoints WHERE id = $1', [id]);
    await deleting.query('COMMIT');
    await deleting.end();
    await sql('SELECT 1 FROM webhook_deliveries FOR UPDATE');
    expect(finishing.ending === undefined || 'value' in finishing.ending).toBe(true);
    expect(await sql('SELECT 1 FROM webhook_deliveries')).toEqual([]);
  });
});
