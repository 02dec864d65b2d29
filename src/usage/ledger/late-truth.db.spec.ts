import { eventually, pause } from '../../../test/support/eventually.js';
import { settlement } from '../../../test/support/ledger-process.js';
import { LeasedProcesses, TERM_SECONDS } from '../../../test/support/leased-processes.js';
import { LedgerStage } from '../../../test/support/ledger-stage.js';
import { connectionTo, rowsOf } from '../../../test/support/sql.js';

const stage = LedgerStage.forEachTest();
const rows = (id: string) => stage.rows(id);
const processes = new LeasedProcesses(stage);

describe('the truth about a call that was charged whole', () => {
  it('makes one adjustment, so that the sum is the truth, however often it is told', async () => {
    const slow = await processes.startByHand();
    const id = await processes.open(slow);
    await processes.start();
    await processes.swept(id);
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
    const slow = await processes.startByHand();
    const lost = [await processes.open(slow), await processes.open(slow)];
    await processes.start();
    for (const id of lost) await processes.swept(id);
    const fresh = await processes.open(slow);
    for (const [index, id] of [...lost, fresh].entries()) slow.ledger.settle(settlement(id, { outputTokens: index }));
    await slow.ledger.flush();
    for (const [index, id] of [...lost, fresh].entries()) {
      const all = await rows(id);
      expect(all).toHaveLength(index < 2 ? 2 : 1);
      expect(all.reduce((sum, row) => sum + row.output_tokens, 0)).toBe(index);
    }
  });

  it('is told right in the middle of a sweep, and still makes the sum true', async () => {
    const slow = await processes.startByHand();
    const id = await processes.open(slow);
    await pause(TERM_SECONDS * 1100);
    const sweeper = connectionTo(stage.database.superuserUrl);
    await sweeper.connect();
    await sweeper.query('BEGIN');
    expect((await sweeper.query("SELECT sweep_usage('1 second', '1 day') AS swept")).rows).toEqual([{ swept: 1 }]);
    slow.ledger.settle(settlement(id));
    await eventually(async () => {
      const WAITING =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%settle_usage%'";
      return (await rowsOf(stage.database.superuserUrl, WAITING)).length === 1;
    });
    await sweeper.query('COMMIT');
    await sweeper.end();
    await slow.ledger.flush();
    const [call, adjustment] = await rows(id);
    expect(call).toMatchObject({ state: 'SWEPT', output_tokens: 1000 });
    expect(call!.output_tokens + adjustment!.output_tokens).toBe(11);
  });

  it('that comes just before the sweep is left as it is', async () => {
    const slow = await processes.startByHand();
    const id = await processes.open(slow);
    await pause(TERM_SECONDS * 1100);
    const settler = connectionTo(stage.database.superuserUrl);
    await settler.connect();
    await settler.query('BEGIN');
    await settler.query(
      "SELECT settle_usage(ARRAY[($1::uuid, 'acme', 'OK', 200, 1, 7, 11, 0, NULL, false, 5, 0, 0)::settlement], true)",
      [id],
    );
    // The sweep waits for no row that another transaction holds.
    const sweep = "SELECT sweep_usage('1 second', '1 day') AS swept";
    expect(await rowsOf(stage.database.superuserUrl, sweep)).toEqual([{ swept: 0 }]);
    await settler.query('COMMIT');
    await settler.end();
    expect(await rowsOf(stage.database.superuserUrl, sweep)).toEqual([{ swept: 0 }]);
    expect(await rows(id)).toEqual([expect.objectContaining({ state: 'SETTLED', output_tokens: 11 })]);
  });
});
