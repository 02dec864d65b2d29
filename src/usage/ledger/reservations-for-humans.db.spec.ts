/** What a reservation writes beside its own row: the human whom it names, and the log's row of an impersonated call. */
import { uuidV7 } from '../../platform/crypto/index.js';
import { eventually, watch } from '../../../test/support/eventually.js';
import {
  makeLedgerTenant,
  reservation,
  startLedgerProcess,
  type LedgerProcess,
} from '../../../test/support/ledger-process.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { cutOnceCommitted, isCallOf } from '../../../test/support/postgres-proxy.js';
import { connectionTo, onDatabase, rowsOf } from '../../../test/support/sql.js';
import type { Reservation } from './usage.types.js';

const IMPERSONATED = { route: 'POST /v1/chat/completions', address: '203.0.113.7' };
const UNAVAILABLE = { kind: 'unavailable', status: 503 };

let database: TestDatabase;
let running: LedgerProcess;

beforeEach(async () => {
  database = await createTestDatabase();
  await makeLedgerTenant(database.superuserUrl);
  running = await startLedgerProcess(database.ownerUrl);
});

afterEach(async () => {
  await running.stop();
  await database.drop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
  rowsOf<Row & Record<string, unknown>>(database.superuserUrl, text, values);

/** In no order. */
const calls = () =>
  sql<{ id: string; tenant_id: string; human_id: string | null; request_id: string; transaction: string }>(
    'SELECT id, tenant_id, human_id, request_id, xmin::text AS transaction FROM usage_records',
  );
/** In no order. */
const log = () =>
  sql<{ human_id: string; request_id: string; transaction: string }>(
    'SELECT *, xmin::text AS transaction FROM audit_events',
  );
const humans = () =>
  sql<{ tenant_id: string; human: string; id: string }>('SELECT tenant_id, human, id FROM humans ORDER BY 1, 2');

const reserve = (changes: Partial<Reservation>): Promise<unknown> => running.ledger.reserve(reservation(changes));
const impersonated = (changes: Partial<Reservation> = {}): Partial<Reservation> => ({
  human: 'ann',
  impersonated: IMPERSONATED,
  ...changes,
});

async function makeTenant(id: string): Promise<void> {
  await sql("INSERT INTO tenants (id, org_id, name) VALUES ($1, 'org_acme', 'Another')", [id]);
}

/** Statements on a connection of their own, in a transaction that `end` ends. */
async function transaction(
  ...statements: string[]
): Promise<{ pending: Promise<unknown>; end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> }> {
  const client = connectionTo(database.superuserUrl);
  await client.connect();
  await client.query('BEGIN');
  const pending = statements.reduce<Promise<unknown>>(
    (before, text) => before.then(() => client.query(text)),
    Promise.resolve(),
  );
  return {
    pending,
    async end(how) {
      await pending;
      await client.query(how);
      await client.end();
    },
  };
}

/** Resolves once a statement with this text waits for a lock. */
const waitsForLock = (text: string): Promise<void> =>
  eventually(async () => {
    const waiting = await sql(
      `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock' AND position($1 IN query) > 0`,
      [text],
    );
    return waiting.length === 1;
  });

describe('an impersonated call', () => {
  it('stands in the log by the reservation’s own transaction: who, for whom, what, which request, from where', async () => {
    await reserve(impersonated({ requestId: 'req_7', keyId: 'key_7' }));
    const [call] = await calls();
    const [human] = await humans();
    expect(human).toEqual({
      tenant_id: 'acme',
      human: 'ann',
      id: expect.stringMatching(/^hum_[0-9a-f]{32}$/) as string,
    });
    expect(call).toMatchObject({ human_id: human!.id });
    expect(await log()).toEqual([
      {
        id: expect.any(String) as string,
        org_id: 'org_acme',
        tenant_id: 'acme',
        occurred_at: expect.any(Date) as Date,
        action: 'request.impersonated',
        actor_type: 'key',
        actor_id: 'key_7',
        human_id: human!.id,
        resource_type: 'route',
        resource_id: IMPERSONATED.route,
        request_id: 'req_7',
        address: IMPERSONATED.address,
        details: {},
        transaction: call!.transaction,
      },
    ]);
  });

  it('stands there once, also where it is reserved twice under one id', async () => {
    const id = uuidV7();
    await Promise.all([reserve(impersonated({ id })), reserve(impersonated({ id }))]);
    await reserve(impersonated({ id }));
    expect([await calls(), await log()].map(({ length }) => length)).toEqual([1, 1]);
  });

  it('among others in one statement gets its own row, and they get none', async () => {
    await makeTenant('beta');
    await reserve({});
    running.proxy.statements = 0;
    await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        reserve({
          requestId: `req_${index}`,
          tenantId: index % 2 === 0 ? 'acme' : 'beta',
          human: index % 3 === 0 ? null : `human ${index % 5}`,
          impersonated: index % 3 === 1 ? IMPERSONATED : null,
        }),
      ),
    );
    expect(running.proxy.statements).toBe(1);
    const expected = Array.from({ length: 60 }, (_, index) => index)
      .filter((index) => index % 3 === 1)
      .map((index) => [`req_${index}`, index % 2 === 0 ? 'acme' : 'beta', `human ${index % 5}`]);
    const logged = await sql<{ values: string[] }>(
      `SELECT ARRAY[a.request_id, a.tenant_id, h.human] AS values
       FROM audit_events a JOIN humans h ON h.tenant_id = a.tenant_id AND h.id = a.human_id`,
    );
    expect(logged.map(({ values }) => values).sort()).toEqual(expected.sort());
    expect(await humans()).toHaveLength(10);
    const charged = await sql<{ request_id: string; human: string | null }>(
      `SELECT u.request_id, h.human FROM usage_records u LEFT JOIN humans h ON h.tenant_id = u.tenant_id AND h.id = u.human_id
       WHERE u.request_id <> 'req_1' OR h.human IS NOT NULL`,
    );
    for (const { request_id: request, human } of charged.filter(({ request_id: id }) => id !== 'req_1')) {
      const index = Number(request.slice(4));
      expect({ request, human }).toEqual({ request, human: index % 3 === 0 ? null : `human ${index % 5}` });
    }
  });

  it('whose row can’t be written is not reserved, and holds up no other', async () => {
    await sql("ALTER TABLE audit_events ADD CONSTRAINT broken CHECK (request_id <> 'req_bad')");
    const results = await Promise.allSettled([
      reserve(impersonated({ requestId: 'req_good' })),
      reserve(impersonated({ requestId: 'req_bad' })),
      reserve({ requestId: 'req_bad' }),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((await log()).map(({ request_id: id }) => id)).toEqual(['req_good']);
    expect(await calls()).toHaveLength(2);
  });

  it('is in both or in neither, whenever the connection or Postgres’ process dies', async () => {
    // While the log's row waits to be written: the reservation's own is already there, uncommitted.
    const lock = await transaction('LOCK TABLE audit_events IN SHARE ROW EXCLUSIVE MODE');
    const killed = watch(reserve(impersonated({ requestId: 'killed' })));
    // It waits for a moment at a time.
    const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%admit_usage(%'`;
    await eventually(async () => (await sql(kill)).length === 1);
    await eventually(() => killed.ending !== undefined);
    expect(killed.ending).toMatchObject({ error: UNAVAILABLE });
    await lock.end('ROLLBACK');
    expect([await calls(), await log()]).toEqual([[], []]);
    // Before the statement arrives.
    running.proxy.judge = (message) => {
      if (!isCallOf('admit_usage', message)) return 'pass';
      running.proxy.judge = () => 'pass';
      return 'cut-before';
    };
    await expect(reserve(impersonated({ requestId: 'cut' }))).rejects.toMatchObject(UNAVAILABLE);
    expect([await calls(), await log()]).toEqual([[], []]);
    // After it was committed.
    cutOnceCommitted(running.proxy, 'admit_usage');
    await expect(reserve(impersonated({ requestId: 'unheard' }))).rejects.toMatchObject(UNAVAILABLE);
    expect([await calls(), await log()].map(({ length }) => length)).toEqual([1, 1]);
  });
});

describe('a human', () => {
  it('is created once, however many calls name it first at one moment, and keeps the id', async () => {
    const second = await startLedgerProcess(database.ownerUrl);
    try {
      await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          (index % 2 === 0 ? running : second).ledger.reserve(reservation({ human: `human ${index % 4}` })),
        ),
      );
    } finally {
      await second.stop();
    }
    const known = await humans();
    expect(known.map(({ human }) => human)).toEqual(['human 0', 'human 1', 'human 2', 'human 3']);
    await reserve({ human: 'human 0' });
    expect(await humans()).toEqual(known);
    const used = new Set((await calls()).map(({ human_id: id }) => id));
    expect(used).toEqual(new Set(known.map(({ id }) => id)));
  });

  it('of the same name in another tenant is another human, and so is one of another case or another form', async () => {
    await makeTenant('beta');
    const names = ['ann', 'Ann', 'é', 'é'.normalize('NFD'), 'ann '];
    const named = [...names.map((human) => ({ tenantId: 'acme', human })), { tenantId: 'beta', human: 'ann' }];
    for (const [index, one] of named.entries()) await reserve({ ...one, requestId: `req_${index}` });
    const known = await humans();
    expect(new Set(known.map(({ id }) => id)).size).toBe(named.length);
    const made = await calls();
    const charged = named.map((_, index) => {
      const { human_id: id } = made.find(({ request_id: request }) => request === `req_${index}`)!;
      const { tenant_id: tenantId, human } = known.find((one) => one.id === id)!;
      return { tenantId, human };
    });
    expect(charged).toEqual(named);
  });

  it('who is erased stays in the log by an id that leads nowhere, and is a new one when coming again', async () => {
    await reserve(impersonated({ requestId: 'before' }));
    await sql("DELETE FROM humans WHERE human = 'ann'");
    await reserve(impersonated({ requestId: 'after' }));
    const logged = new Map((await log()).map(({ request_id: request, human_id: id }) => [request, id]));
    const [human, ...others] = await humans();
    expect(others).toEqual([]);
    expect(logged.get('after')).toBe(human!.id);
    expect(logged.get('before')).toMatch(/^hum_/);
    expect(logged.get('before')).not.toBe(human!.id);
  });

  it('whose erasure, or whose first mention elsewhere, is still under way stands in the log anyway', async () => {
    await reserve({ human: 'ann' });
    const [before] = await humans();
    const erasure = await transaction("DELETE FROM humans WHERE human = 'ann'");
    await erasure.pending;
    await reserve(impersonated());
    await erasure.end('COMMIT');
    expect((await log())[0]!.human_id).toBe(before!.id);

    const rival = await transaction("INSERT INTO humans (tenant_id, human, id) VALUES ('acme', 'bea', 'hum_rival')");
    await rival.pending;
    const reserved = watch(reserve(impersonated({ human: 'bea', requestId: 'bea' })));
    await waitsForLock('admit_usage');
    await rival.end('COMMIT');
    await eventually(() => reserved.ending !== undefined);
    expect((await log()).find(({ request_id: id }) => id === 'bea')).toMatchObject({ human_id: 'hum_rival' });
  });

  it('made elsewhere in the same moment is judged by the limits that came with it', async () => {
    await sql(`UPDATE tenants SET default_limits = '[{"type":"request_cnt","microUnits":"0"}]'`);
    // The call has looked at its tenant, which has no budget yet, and waits to look for its human.
    const rival = await transaction(
      'LOCK TABLE humans IN ACCESS EXCLUSIVE MODE',
      "SELECT add_humans('{acme}', '{ann}', '{NULL}')",
    );
    await rival.pending;
    const reserved = watch(reserve({ human: 'ann' }));
    await waitsForLock('admit_usage');
    await rival.end('COMMIT');
    await eventually(() => reserved.ending !== undefined);
    expect(reserved.ending).toMatchObject({ error: { status: 429 } });
    expect(await calls()).toEqual([]);
  });
});

it('a correction keeps the human of the row that it corrects', async () => {
  const id = uuidV7();
  await reserve({ id, human: 'ann' });
  await onDatabase(database.superuserUrl, async (client) => {
    await client.query("UPDATE usage_records SET state = 'SWEPT' WHERE id = $1", [id]);
    await client.query(
      "SELECT settle_usage(ARRAY[($1::uuid, 'acme', 'OK', 200, 1, 1, 2, 0, NULL, false, 5, 0, 0)::settlement], true)",
      [id],
    );
  });
  const [human] = await humans();
  expect((await calls()).map(({ human_id: of }) => of)).toEqual([human!.id, human!.id]);
});
