import { mock } from 'node:test';
import { uuidV7 } from '../../platform/crypto/index.js';
import { eventually, pause } from '../../../test/support/eventually.js';
import { reservation, settlement } from '../../../test/support/ledger-process.js';
import { LeasedProcesses, TERM_SECONDS } from '../../../test/support/leased-processes.js';
import { LedgerStage } from '../../../test/support/ledger-stage.js';
import { rowsOf } from '../../../test/support/sql.js';

const HOUR_MS = 3_600_000;
const stage = LedgerStage.forEachTest();
const rows = (id: string) => stage.rows(id);
const processes = new LeasedProcesses(stage);

afterEach(() => mock.restoreAll());

/** A process that reserved a call and died; its row, charged whole. */
async function orphan(): Promise<string> {
  const dead = await processes.start();
  const id = await processes.open(dead);
  await dead.crash();
  return id;
}

describe('what a dead process left open', () => {
  it('is charged its whole reservation, and marked so', async () => {
    const id = await orphan();
    await processes.start();
    await processes.swept(id);
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
    const dead = await processes.startByHand();
    await pause(300);
    const id = await processes.open(dead);
    await dead.crash();
    await processes.start();
    await processes.swept(id);
  });

  it.each([
    ['ahead', HOUR_MS],
    ['behind', -HOUR_MS],
  ])("is charged although the dead process's clock was an hour %s", async (_case, skewMs) => {
    const realNow = Date.now.bind(Date);
    const skewed = mock.method(Date, 'now', () => realNow() + skewMs);
    const dead = await processes.start();
    const id = await processes.open(dead);
    await dead.lease.renew();
    await dead.crash();
    skewed.mock.restore();
    await processes.start();
    await processes.swept(id);
  });

  it('is charged once, whatever number of processes sweep', async () => {
    const left = [];
    const dead = await processes.startByHand();
    for (let i = 0; i < 20; i += 1) left.push(await processes.open(dead));
    await dead.crash();
    const sweepers = [await processes.start(), await processes.start(), await processes.start()];
    for (const id of left) await processes.swept(id);
    await pause(500);
    const counted = await Promise.all(
      sweepers.map(async ({ metrics }) => (await metrics.orphansSwept.get()).values[0]?.value ?? 0),
    );
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(20);
  });

  it('is charged without waiting for the term where the process ended its lease in good order', async () => {
    const sweeper = await processes.start(60);
    const id = await processes.open(sweeper);
    const stopping = await processes.startByHand(60);
    const left = await processes.open(stopping);
    await stopping.lease.stop();
    // Another's sweep, as soon as that one may judge: it is the database that decides.
    await rowsOf(stage.database.superuserUrl, "SELECT sweep_usage('60 seconds', '1 day')");
    expect([await processes.stateOf(left), await processes.stateOf(id)]).toEqual(['SWEPT', 'RESERVED']);
  });

  it('that was settled before it died stays as it was settled', async () => {
    const dead = await processes.start();
    const [settled, left] = [await processes.open(dead), await processes.open(dead)];
    dead.ledger.settle(settlement(settled));
    await dead.ledger.flush();
    await dead.crash();
    await processes.start();
    await processes.swept(left);
    expect(await rows(settled)).toEqual([expect.objectContaining({ state: 'SETTLED', output_tokens: 11 })]);
  });
});

describe("a live process's call", () => {
  it('is never charged by others while the lease is renewed, however many terms it lasts', async () => {
    const [live] = [await processes.start(2), await processes.start(2), await processes.start(2)];
    const id = await processes.open(live);
    const other = await orphan();
    await pause(6000);
    await processes.swept(other);
    expect(await processes.stateOf(id)).toBe('RESERVED');
    live.ledger.settle(settlement(id));
    await live.ledger.flush();
    expect(await rows(id)).toEqual([expect.objectContaining({ state: 'SETTLED', output_tokens: 11 })]);
  });

  it('is not charged by a process that lost touch with the database for longer than a term', async () => {
    const sweeper = await processes.startByHand();
    const live = await processes.startByHand();
    const id = await processes.open(live);
    await pause(TERM_SECONDS * 1500);
    // Back again, and the other one will be in a moment: everybody's lease looks dead.
    expect(await sweeper.lease.sweep()).toBe(0);
    await sweeper.lease.renew();
    expect(await sweeper.lease.sweep()).toBe(0);
    expect(await processes.stateOf(id)).toBe('RESERVED');
  });

  it('is not charged by a process that lost touch for most of a term, while the other was out of touch for a little more', async () => {
    const sweeper = await processes.startByHand(2);
    for (let i = 0; i < 6; i += 1) {
      await pause(400);
      await sweeper.lease.renew();
    }
    const live = await processes.startByHand(2);
    const id = await processes.open(live);
    await pause(450);
    await sweeper.lease.renew();
    // Now the database is away for nine tenths of a term.
    await pause(1800);
    await sweeper.lease.renew();
    expect(await sweeper.lease.sweep()).toBe(0);
    await live.lease.renew();
    expect(await processes.stateOf(id)).toBe('RESERVED');
  });

  it('is not charged by a process that has just started', async () => {
    const live = await processes.startByHand();
    const id = await processes.open(live);
    await pause(TERM_SECONDS * 1200);
    const started = await processes.startByHand();
    expect(await started.lease.sweep()).toBe(0);
    expect(await processes.stateOf(id)).toBe('RESERVED');
  });
});

describe('two processes whose leases have different terms', () => {
  const sweep = (ownTerm: string, inTouch: string) =>
    rowsOf<{ swept: number }>(stage.database.superuserUrl, 'SELECT sweep_usage($1, $2) AS swept', [ownTerm, inTouch]);

  it('are each judged by their own: the short one is dead when the long one is not', async () => {
    const [short, long] = [await processes.startByHand(1), await processes.startByHand(60)];
    const [left, open_] = [await processes.open(short), await processes.open(long)];
    await pause(1500);
    expect(await sweep('1 second', '1 hour')).toEqual([{ swept: 1 }]);
    expect([await processes.stateOf(left), await processes.stateOf(open_)]).toEqual(['SWEPT', 'RESERVED']);
    await long.lease.renew();
    await long.ledger.reserve(reservation());
  });

  it('are not judged by a sweeper that was in touch for less than their term, or before its own term has passed', async () => {
    const short = await processes.startByHand(1);
    const id = await processes.open(short);
    await pause(1500);
    expect(await sweep('1 second', '0.9 seconds')).toEqual([{ swept: 0 }]);
    expect(await sweep('1 minute', '1 hour')).toEqual([{ swept: 0 }]);
    expect(await processes.stateOf(id)).toBe('RESERVED');
    expect(await sweep('1 second', '1 second')).toEqual([{ swept: 1 }]);
  });

  it('sweep accordingly: the short one leaves the calls of the long one alone', async () => {
    const long = await processes.startByHand(60);
    const id = await processes.open(long);
    const gone = await orphan();
    await processes.start();
    await processes.swept(gone);
    expect(await processes.stateOf(id)).toBe('RESERVED');
  });
});

describe('a process whose lease was declared dead', () => {
  it('takes a new one, under which its next reservations live', async () => {
    const slow = await processes.startByHand();
    const lost = await processes.open(slow);
    const before = slow.lease.id;
    await processes.start();
    await processes.swept(lost);
    const id = await processes.open(slow);
    expect(slow.lease.id).not.toBe(before);
    expect((await rows(id))[0]!.lease_id).toBe(slow.lease.id);
    for (let i = 0; i < 12; i += 1) {
      await slow.lease.renew();
      await pause(200);
    }
    expect(await processes.stateOf(id)).toBe('RESERVED');
  });

  it('writes no reservation under the old one, which no process would sweep', async () => {
    const slow = await processes.startByHand();
    await rowsOf(stage.database.superuserUrl, 'UPDATE process_leases SET ended_at = clock_timestamp()');
    const made = Array.from({ length: 10 }, () => uuidV7());
    const before = slow.lease.id;
    await Promise.all(made.map((id) => slow.ledger.reserve(reservation({ id }))));
    for (const id of made) expect((await rows(id))[0]!.lease_id).not.toBe(before);
  });

  it('lives never again under the old one, though it renews that', async () => {
    const slow = await processes.startByHand();
    const before = slow.lease.id;
    await rowsOf(stage.database.superuserUrl, 'UPDATE process_leases SET ended_at = clock_timestamp()');
    await slow.lease.renew();
    expect(slow.lease.id).not.toBe(before);
    const [row] = await rowsOf<{ ended: boolean }>(
      stage.database.superuserUrl,
      'SELECT ended_at IS NOT NULL AS ended FROM process_leases WHERE id = $1',
      [before],
    );
    expect(row).toEqual({ ended: true });
  });

  it('sweeps again what others leave', async () => {
    const alone = await processes.start();
    // A machine that slept: the database's clock went on, and the process's own did not.
    await rowsOf(stage.database.superuserUrl, 'UPDATE process_leases SET ended_at = clock_timestamp()');
    const before = alone.lease.id;
    await eventually(() => alone.lease.id !== before);
    const dead = await processes.startByHand();
    const id = await processes.open(dead);
    await dead.crash();
    await processes.swept(id);
  });

  it('and which is stopped leaves nothing that is not swept', async () => {
    const process = await processes.start();
    const id = await processes.open(process);
    await process.stop();
    await processes.start();
    await processes.swept(id);
  });
});
