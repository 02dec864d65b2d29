import { mock } from 'node:test';
import { uuidV7 } from '../../platform/crypto/index.js';
import { eventually, pause } from '../../../test/support/eventually.js';
import {
  ledgerRows,
  reservation,
  settlement,
  startLedgerProcess,
  type LedgerProcess,
  makeLedgerTenant,
} from '../../../test/support/ledger-process.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { connectionTo, rowsOf } from '../../../test/support/sql.js';

const TERM_SECONDS = 1;
const HOUR_MS = 3_600_000;

let database: TestDatabase;
let running: LedgerProcess[];

beforeEach(async () => {
  database = await createTestDatabase();
  await makeLedgerTenant(database.superuserUrl);
  running = [];
});

afterEach(async () => {
  mock.restoreAll();
  for (const one of running) await one.stop();
  await database.drop();
});

/** With timers, as the service runs it. */
async function start(leaseSeconds = TERM_SECONDS): Promise<LedgerProcess> {
  const started = await startLedgerProcess(database.ownerUrl, { leaseSeconds, sweepSeconds: 1 }, true);
  running.push(started);
  return started;
}

/** One whose lease is renewed and that sweeps when the test says so, and never by itself. */
async function startByHand(leaseSeconds = TERM_SECONDS): Promise<LedgerProcess> {
  const started = await startLedgerProcess(database.ownerUrl, { leaseSeconds, sweepSeconds: 1 });
  running.push(started);
  return started;
}

const rows = (id: string) => ledgerRows(database.superuserUrl, id);
const stateOf = async (id: string): Promise<string> => (await rows(id))[0]!.state;
const swept = (id: string): Promise<void> => eventually(async () => (await stateOf(id)) === 'SWEPT');

async function open(process: LedgerProcess): Promise<string> {
  const id = uuidV7();
  await process.ledger.reserve(reservation({ id }));
  return id;
}

/** A process that reserved a call and died; its row, charged whole. */
async function orphan(): Promise<string> {
  const dead = await start();
  const id = await open(dead);
  await dead.crash();
  return id;
}

describe('what a dead process left open', () => {
  it('is charged its whole reservation, and marked so', async () => {
    const id = await orphan();
    await start();
    await swept(id);
    expect(await rows(id)).toEqual([
      expect.objectContaining({
        kind: 'CALL',
        state: 'SWEPT',
        outcome: 'ORPHANED',
        input_tokens: 100,
        output_tokens: 1000,
        estimated: true,
      }),
    ]);
  });

  it('is charged although it was reserved after the last renewal', async () => {
    const dead = await startByHand();
    await pause(300);
    const id = await open(dead);
    await dead.crash();
    await start();
    await swept(id);
  });

  it.each([
    ['ahead', HOUR_MS],
    ['behind', -HOUR_MS],
  ])("is charged although the dead process's clock was an hour %s", async (_case, skewMs) => {
    const realNow = Date.now.bind(Date);
    const skewed = mock.method(Date, 'now', () => realNow() + skewMs);
    const dead = await start();
    const id = await open(dead);
    await dead.lease.renew();
    await dead.crash();
    skewed.mock.restore();
    await start();
    await swept(id);
  });

  it('is charged once, whatever number of processes sweep', async () => {
    const left = [];
    const dead = await startByHand();
    for (let i = 0; i < 20; i += 1) left.push(await open(dead));
    await dead.crash();
    const sweepers = [await start(), await start(), await start()];
    for (const id of left) await swept(id);
    await pause(500);
    const counted = await Promise.all(
      sweepers.map(async ({ metrics }) => (await metrics.orphansSwept.get()).values[0]?.value ?? 0),
    );
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(20);
  });

  it('is charged without waiting for the term where the process ended its lease in good order', async () => {
    const sweeper = await start(60);
    const id = await open(sweeper);
    const stopping = await startByHand(60);
    const left = await open(stopping);
    await stopping.lease.stop();
    // Another's sweep, as soon as that one may judge: it is the database that decides.
    await rowsOf(database.superuserUrl, "SELECT sweep_usage('60 seconds', '1 day')");
    expect([await stateOf(left), await stateOf(id)]).toEqual(['SWEPT', 'RESERVED']);
  });

  it('that was settled before it died stays as it was settled', async () => {
    const dead = await start();
    const [settled, left] = [await open(dead), await open(dead)];
    dead.ledger.settle(settlement(settled));
    await dead.ledger.flush();
    await dead.crash();
    await start();
    await swept(left);
    expect(await rows(settled)).toEqual([expect.objectContaining({ state: 'SETTLED', output_tokens: 11 })]);
  });
});

describe("a live process's call", () => {
  it('is never charged by others while the lease is renewed, however many terms it lasts', async () => {
    const [live] = [await start(2), await start(2), await start(2)];
    const id = await open(live);
    const other = await orphan();
    await pause(6000);
    await swept(other);
    expect(await stateOf(id)).toBe('RESERVED');
    live.ledger.settle(settlement(id));
    await live.ledger.flush();
    expect(await rows(id)).toEqual([expect.objectContaining({ state: 'SETTLED', output_tokens: 11 })]);
  });

  it('is not charged by a process that lost touch with the database for longer than a term', async () => {
    const sweeper = await startByHand();
    const live = await startByHand();
    const id = await open(live);
    await pause(TERM_SECONDS * 1500);
    // Back again, and the other one will be in a moment: everybody's lease looks dead.
    expect(await sweeper.lease.sweep()).toBe(0);
    await sweeper.lease.renew();
    expect(await sweeper.lease.sweep()).toBe(0);
    expect(await stateOf(id)).toBe('RESERVED');
  });

  it('is not charged by a process that lost touch for most of a term, while the other was out of touch for a little more', async () => {
    const sweeper = await startByHand(2);
    for (let i = 0; i < 6; i += 1) {
      await pause(400);
      await sweeper.lease.renew();
    }
    const live = await startByHand(2);
    const id = await open(live);
    await pause(450);
    await sweeper.lease.renew();
    // Now the database is away for nine tenths of a term.
    await pause(1800);
    await sweeper.lease.renew();
    expect(await sweeper.lease.sweep()).toBe(0);
    await live.lease.renew();
    expect(await stateOf(id)).toBe('RESERVED');
  });

  it('is not charged by a process that has just started', async () => {
    const live = await startByHand();
    const id = await open(live);
    await pause(TERM_SECONDS * 1200);
    const started = await startByHand();
    expect(await started.lease.sweep()).toBe(0);
    expect(await stateOf(id)).toBe('RESERVED');
  });
});

describe('two processes whose leases have different terms', () => {
  const sweep = (ownTerm: string, inTouch: string) =>
    rowsOf<{ swept: number }>(database.superuserUrl, 'SELECT sweep_usage($1, $2) AS swept', [ownTerm, inTouch]);

  it('are each judged by their own: the short one is dead when the long one is not', async () => {
    const [short, long] = [await startByHand(1), await startByHand(60)];
    const [left, open_] = [await open(short), await open(long)];
    await pause(1500);
    expect(await sweep('1 second', '1 hour')).toEqual([{ swept: 1 }]);
    expect([await stateOf(left), await stateOf(open_)]).toEqual(['SWEPT', 'RESERVED']);
    await long.lease.renew();
    await long.ledger.reserve(reservation());
  });

  it('are not judged by a sweeper that was in touch for less than their term, or before its own term has passed', async () => {
    const short = await startByHand(1);
    const id = await open(short);
    await pause(1500);
    expect(await sweep('1 second', '0.9 seconds')).toEqual([{ swept: 0 }]);
    expect(await sweep('1 minute', '1 hour')).toEqual([{ swept: 0 }]);
    expect(await stateOf(id)).toBe('RESERVED');
    expect(await sweep('1 second', '1 second')).toEqual([{ swept: 1 }]);
  });

  it('sweep accordingly: the short one leaves the calls of the long one alone', async () => {
    const long = await startByHand(60);
    const id = await open(long);
    const gone = await orphan();
    await start();
    await swept(gone);
    expect(await stateOf(id)).toBe('RESERVED');
  });
});

describe('the truth about a call that was charged whole', () => {
  it('makes one adjustment, so that the sum is the truth, however often it is told', async () => {
    const slow = await startByHand();
    const id = await open(slow);
    await start();
    await swept(id);
    const charged = (await rows(id))[0];
    for (const changes of [{}, {}, { inputTokens: 1, outputTokens: 2 }]) {
      slow.ledger.settle(settlement(id, changes));
      await slow.ledger.flush();
    }
    slow.ledger.settle(settlement(id));
    slow.ledger.settle(settlement(id));
    await slow.ledger.flush();
    const [call, adjustment, ...more] = await rows(id);
    expect(more).toEqual([]);
    expect(call).toEqual(charged);
    expect(adjustment).toMatchObject({
      kind: 'ADJUSTMENT',
      adjusts: id,
      state: 'SETTLED',
      outcome: 'OK',
      status_code: 200,
      estimated: false,
    });
    expect([call!.input_tokens + adjustment!.input_tokens, call!.output_tokens + adjustment!.output_tokens]).toEqual([
      7, 11,
    ]);
  });

  it('is told of several in one moment, swept and not, each by itself', async () => {
    const slow = await startByHand();
    const lost = [await open(slow), await open(slow)];
    await start();
    for (const id of lost) await swept(id);
    const fresh = await open(slow);
    for (const [index, id] of [...lost, fresh].entries()) slow.ledger.settle(settlement(id, { outputTokens: index }));
    await slow.ledger.flush();
    for (const [index, id] of [...lost, fresh].entries()) {
      const all = await rows(id);
      expect(all).toHaveLength(index < 2 ? 2 : 1);
      expect(all.reduce((sum, row) => sum + row.output_tokens, 0)).toBe(index);
    }
  });

  it('is told right in the middle of a sweep, and still makes the sum true', async () => {
    const slow = await startByHand();
    const id = await open(slow);
    await pause(TERM_SECONDS * 1100);
    const sweeper = connectionTo(database.superuserUrl);
    await sweeper.connect();
    await sweeper.query('BEGIN');
    expect((await sweeper.query("SELECT sweep_usage('1 second', '1 day') AS swept")).rows).toEqual([{ swept: 1 }]);
    slow.ledger.settle(settlement(id));
    await eventually(async () => {
      const WAITING =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%settle_usage%'";
      return (await rowsOf(database.superuserUrl, WAITING)).length === 1;
    });
    await sweeper.query('COMMIT');
    await sweeper.end();
    await slow.ledger.flush();
    const [call, adjustment] = await rows(id);
    expect(call).toMatchObject({ state: 'SWEPT', output_tokens: 1000 });
    expect(call!.output_tokens + adjustment!.output_tokens).toBe(11);
  });

  it('that comes just before the sweep is left as it is', async () => {
    const slow = await startByHand();
    const id = await open(slow);
    await pause(TERM_SECONDS * 1100);
    const settler = connectionTo(database.superuserUrl);
    await settler.connect();
    await settler.query('BEGIN');
    await settler.query(
      "SELECT settle_usage(ARRAY[($1::uuid, 'acme', 'OK', 200, 1, 7, 11, 0, NULL, false, 5, 0, 0)::settlement], true)",
      [id],
    );
    // The sweep waits for no row that another transaction holds.
    const sweep = "SELECT sweep_usage('1 second', '1 day') AS swept";
    expect(await rowsOf(database.superuserUrl, sweep)).toEqual([{ swept: 0 }]);
    await settler.query('COMMIT');
    await settler.end();
    expect(await rowsOf(database.superuserUrl, sweep)).toEqual([{ swept: 0 }]);
    expect(await rows(id)).toEqual([expect.objectContaining({ state: 'SETTLED', output_tokens: 11 })]);
  });
});

describe('a process whose lease was declared dead', () => {
  it('takes a new one, under which its next reservations live', async () => {
    const slow = await startByHand();
    const lost = await open(slow);
    const before = slow.lease.id;
    await start();
    await swept(lost);
    const id = await open(slow);
    expect(slow.lease.id).not.toBe(before);
    expect((await rows(id))[0]!.lease_id).toBe(slow.lease.id);
    for (let i = 0; i < 12; i += 1) {
      await slow.lease.renew();
      await pause(200);
    }
    expect(await stateOf(id)).toBe('RESERVED');
  });

  it('writes no reservation under the old one, which no process would sweep', async () => {
    const slow = await startByHand();
    await rowsOf(database.superuserUrl, 'UPDATE process_leases SET ended_at = clock_timestamp()');
    const made = Array.from({ length: 10 }, () => uuidV7());
    const before = slow.lease.id;
    await Promise.all(made.map((id) => slow.ledger.reserve(reservation({ id }))));
    for (const id of made) expect((await rows(id))[0]!.lease_id).not.toBe(before);
  });

  it('lives never again under the old one, though it renews that', async () => {
    const slow = await startByHand();
    const before = slow.lease.id;
    await rowsOf(database.superuserUrl, 'UPDATE process_leases SET ended_at = clock_timestamp()');
    await slow.lease.renew();
    expect(slow.lease.id).not.toBe(before);
    const [row] = await rowsOf<{ ended: boolean }>(
      database.superuserUrl,
      'SELECT ended_at IS NOT NULL AS ended FROM process_leases WHERE id = $1',
      [before],
    );
    expect(row).toEqual({ ended: true });
  });

  it('sweeps again what others leave', async () => {
    const alone = await start();
    // A machine that slept: the database's clock went on, and the process's own did not.
    await rowsOf(database.superuserUrl, 'UPDATE process_leases SET ended_at = clock_timestamp()');
    const before = alone.lease.id;
    await eventually(() => alone.lease.id !== before);
    const dead = await startByHand();
    const id = await open(dead);
    await dead.crash();
    await swept(id);
  });

  it('and which is stopped leaves nothing that is not swept', async () => {
    const process = await start();
    const id = await open(process);
    await process.stop();
    await start();
    await swept(id);
  });
});
