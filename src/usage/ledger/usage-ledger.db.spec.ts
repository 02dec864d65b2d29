import { uuidV7 } from '../../platform/crypto/index.js';
import { eventually, pause, watch } from '../../../test/support/eventually.js';
import { reservation, settlement } from '../../../test/support/ledger-process.js';
import { LedgerStage } from '../../../test/support/ledger-stage.js';
import { cutOnceCommitted, isCallOf } from '../../../test/support/postgres-proxy.js';
import { connectionTo, rowsOf } from '../../../test/support/sql.js';

const UNAVAILABLE = { kind: 'unavailable', status: 503, retryAfterSeconds: expect.any(Number) as number };

const stage = LedgerStage.forEachTest();
const rows = (id: string) => stage.rows(id);
const countRows = async (): Promise<number> =>
  (await rowsOf(stage.database.superuserUrl, 'SELECT 1 FROM usage_records')).length;
const ids = (count: number): string[] => Array.from({ length: count }, () => uuidV7());

/** A transaction by SQL, which `end` ends. */
async function transaction(
  ...statements: [string, unknown[]?][]
): Promise<{ end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> }> {
  const client = connectionTo(stage.database.superuserUrl);
  await client.connect();
  await client.query('BEGIN');
  for (const [text, values] of statements) await client.query(text, values);
  return {
    async end(how) {
      await client.query(how);
      await client.end();
    },
  };
}

/** Resolves once a statement of the service waits for a lock. */
const waitsForLock = (name: string): Promise<void> =>
  eventually(async () => {
    const waiting = await rowsOf(
      stage.database.superuserUrl,
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1",
      [`%${name}(%`],
    );
    return waiting.length === 1;
  });

describe('a reservation', () => {
  it('is answered once its row is committed, and not before', async () => {
    const { ledger } = await stage.start();
    const { id } = reservation();
    const lock = await transaction(['LOCK TABLE usage_records IN SHARE ROW EXCLUSIVE MODE']);
    const reserved = watch(ledger.reserve(reservation({ id })));
    await waitsForLock('admit_usage');
    expect(reserved.ending).toBeUndefined();
    await lock.end('ROLLBACK');
    await eventually(() => reserved.ending !== undefined);
    expect(reserved.ending).toEqual({ value: { limited: false, outputTokens: 1000 } });
    expect(await rows(id)).toEqual([
      expect.objectContaining({ state: 'RESERVED', kind: 'CALL', outcome: null, input_tokens: 0, output_tokens: 0 }),
    ]);
  });

  it('of many simultaneous calls is a few statements, and every call has its row', async () => {
    const { ledger, proxy } = await stage.start();
    await ledger.reserve(reservation());
    proxy.statements = 0;
    const made = ids(400);
    await Promise.all(made.map((id) => ledger.reserve(reservation({ id }))));
    // A statement has at most 96 calls.
    expect(proxy.statements).toBe(5);
    expect(await countRows()).toBe(401);
  });

  it('that Postgres refuses fails by itself', async () => {
    const { ledger } = await stage.start();
    const made = ids(6);
    const results = await Promise.allSettled(
      made.map((id, index) =>
        ledger.reserve(
          reservation({
            id,
            ...(index === 2 ? { model: 'a\u0000b' } : {}),
            ...(index === 4 ? { reservedInputTokens: -1 } : {}),
          }),
        ),
      ),
    );
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(await countRows()).toBe(4);
  });

  it('that is made twice under one id counts once', async () => {
    const { ledger } = await stage.start();
    const { id } = reservation();
    await Promise.all([ledger.reserve(reservation({ id })), ledger.reserve(reservation({ id }))]);
    await ledger.reserve(reservation({ id }));
    expect(await countRows()).toBe(1);
  });
});

describe('a reservation whose commit was not answered', () => {
  it('is refused, and its row settled as not sent', async () => {
    const { ledger, proxy } = await stage.start();
    const { id } = reservation();
    cutOnceCommitted(proxy, 'admit_usage');
    await expect(ledger.reserve(reservation({ id }))).rejects.toMatchObject(UNAVAILABLE);
    await eventually(async () => (await rows(id))[0]?.state === 'SETTLED');
    expect(await rows(id)).toEqual([
      expect.objectContaining({ outcome: 'NOT_SENT', input_tokens: 0, output_tokens: 0, status_code: null }),
    ]);
  });

  it('is refused, and leaves no row where it never reached Postgres', async () => {
    const { ledger, proxy } = await stage.start();
    proxy.judge = (message) => {
      if (!isCallOf('admit_usage', message)) return 'pass';
      proxy.judge = () => 'pass';
      return 'cut-before';
    };
    await expect(ledger.reserve(reservation())).rejects.toMatchObject(UNAVAILABLE);
    await ledger.flush();
    expect(await countRows()).toBe(0);
  });

  it('is settled as not sent although it is committed long after its connection was lost', async () => {
    const { ledger, proxy } = await stage.start();
    const { id } = reservation();
    await rowsOf(
      stage.database.superuserUrl,
      `CREATE FUNCTION hesitate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$;
       CREATE TRIGGER hesitate BEFORE INSERT ON usage_records FOR EACH ROW EXECUTE FUNCTION hesitate()`,
    );
    const reserved = watch(ledger.reserve(reservation({ id })));
    const HESITATES = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    await eventually(async () => (await rowsOf(stage.database.superuserUrl, HESITATES)).length === 1);
    proxy.tcp.cut();
    await eventually(() => reserved.ending !== undefined);
    expect(reserved.ending).toMatchObject({ error: UNAVAILABLE });
    await ledger.flush();
    await eventually(async () => (await rows(id))[0]?.state === 'RESERVED');
    await eventually(async () => (await rows(id))[0]?.state === 'SETTLED');
    expect(await rows(id)).toEqual([expect.objectContaining({ outcome: 'NOT_SENT', output_tokens: 0 })]);
  });
});

describe('a database that is down', () => {
  it('refuses every reservation with 503 where it accepts no connection, and works again when it does', async () => {
    const { ledger, proxy } = await stage.start();
    proxy.tcp.refuse(true);
    proxy.tcp.cut();
    const results = await Promise.allSettled(ids(5).map((id) => ledger.reserve(reservation({ id }))));
    for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: UNAVAILABLE });
    proxy.tcp.refuse(false);
    const { id } = reservation();
    await eventually(() => ledger.reserve(reservation({ id })).then(() => true));
    expect(await countRows()).toBe(1);
  });

  it('refuses every reservation with 503 where it is silent, later ones at once, and charges none of them', async () => {
    const { ledger, proxy } = await stage.start();
    await ledger.reserve(reservation());
    proxy.tcp.freeze();
    const [first, queued, ...late] = ids(5);
    const early = [watch(ledger.reserve(reservation({ id: first! })))];
    await pause(50);
    early.push(watch(ledger.reserve(reservation({ id: queued! }))));
    await eventually(() => early.every(({ ending }) => ending !== undefined));
    for (const { ending } of early) expect(ending).toMatchObject({ error: UNAVAILABLE });
    for (const id of late) await expect(ledger.reserve(reservation({ id }))).rejects.toMatchObject(UNAVAILABLE);
    proxy.tcp.thaw();
    await eventually(() => ledger.reserve(reservation()).then(() => true));
    await eventually(async () => (await rows(first!))[0]?.state !== 'RESERVED');
    for (const id of [first!, queued!, ...late]) {
      for (const row of await rows(id))
        expect(row).toMatchObject({ state: 'SETTLED', outcome: 'NOT_SENT', input_tokens: 0, output_tokens: 0 });
    }
  });

  it('accepts reservations again on new connections where the open ones never answer again', async () => {
    const { ledger, proxy } = await stage.start();
    await ledger.reserve(reservation());
    proxy.tcp.abandon();
    await expect(ledger.reserve(reservation())).rejects.toMatchObject(UNAVAILABLE);
    await eventually(() => ledger.reserve(reservation()).then(() => true), 20_000);
  });

  it('gets every settlement that waited meanwhile, once it is back', async () => {
    const { ledger, proxy } = await stage.start();
    const made = ids(20);
    await Promise.all(made.map((id) => ledger.reserve(reservation({ id }))));
    proxy.tcp.refuse(true);
    proxy.tcp.cut();
    for (const [index, id] of made.entries()) ledger.settle(settlement(id, { outputTokens: index }));
    expect(ledger.pendingSettlements).toBe(20);
    await pause(600);
    expect(ledger.pendingSettlements).toBe(20);
    proxy.tcp.refuse(false);
    await eventually(() => ledger.pendingSettlements === 0);
    for (const [index, id] of made.entries())
      expect(await rows(id)).toEqual([expect.objectContaining({ state: 'SETTLED', output_tokens: index })]);
  });

  it('gets them also where the open connections never answer again', async () => {
    const { ledger, proxy } = await stage.start();
    const { id } = reservation();
    await ledger.reserve(reservation({ id }));
    proxy.tcp.abandon();
    ledger.settle(settlement(id));
    await eventually(async () => (await rows(id))[0]?.state === 'SETTLED', 20_000);
  });

  it('refuses new calls with 503 at once while the queue of settlements is full, and no longer', async () => {
    const { ledger, proxy } = await stage.start({ ledgerQueueLimit: 3 });
    const made = ids(3);
    await Promise.all(made.map((id) => ledger.reserve(reservation({ id }))));
    proxy.tcp.refuse(true);
    proxy.tcp.cut();
    for (const id of made) ledger.settle(settlement(id));
    proxy.statements = 0;
    await expect(ledger.reserve(reservation())).rejects.toMatchObject(UNAVAILABLE);
    expect(proxy.statements).toBe(0);
    proxy.tcp.refuse(false);
    await eventually(() => ledger.reserve(reservation()).then(() => true));
    for (const id of made) expect((await rows(id))[0]!.state).toBe('SETTLED');
  });

  it('leaves no refused call open behind it', async () => {
    const { ledger, lease, proxy } = await stage.start({}, true);
    const oldestOpen = async (): Promise<Date | null> => {
      await lease.renew();
      const [row] = await rowsOf<{ oldest_open_at: Date | null }>(
        stage.database.superuserUrl,
        'SELECT oldest_open_at FROM process_leases WHERE id = $1',
        [lease.id],
      );
      return row!.oldest_open_at;
    };
    const { id } = reservation();
    await ledger.reserve(reservation({ id }));
    expect(await oldestOpen()).not.toBeNull();
    ledger.settle(settlement(id));
    await eventually(async () => (await oldestOpen()) === null);
    proxy.tcp.freeze();
    const waiting = watch(ledger.reserve(reservation()));
    await pause(50);
    const queued = watch(ledger.reserve(reservation()));
    await eventually(() => waiting.ending !== undefined && queued.ending !== undefined);
    await expect(ledger.reserve(reservation())).rejects.toMatchObject(UNAVAILABLE);
    proxy.tcp.thaw();
    await eventually(() => ledger.pendingSettlements === 0);
    await eventually(async () => (await oldestOpen()) === null);
  });
});
