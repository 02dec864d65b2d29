/** Admissions wait for budgets in the order of their ids, whatever happens to these meanwhile. */
import { uuidV7 } from '../../platform/crypto/index.js';
import { eventually } from '../../../test/support/eventually.js';
import { reservation } from '../../../test/support/ledger-process.js';
import { LedgerStage } from '../../../test/support/ledger-stage.js';
import { onDatabase, rowsOf } from '../../../test/support/sql.js';
import { ADMIT, admissionsText, type AdmittedRow } from './ledger-statements.js';

const FIRST = '00000000-0000-4000-8000-000000000000';
const LAST = 'ffffffff-ffff-4fff-bfff-ffffffffffff';

const stage = LedgerStage.forEachTest();
const sql = (text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
  rowsOf(stage.database.superuserUrl, text, values);

/** The tenant's budget of tokens; its period is over. */
const makeBudget = (id: string, period: string): Promise<unknown> =>
  sql(
    `INSERT INTO budgets (id, tenant_id, holder, type, period, amount, starts_at, ends_at)
     VALUES ($1, 'acme', 'tenant', 'token_cnt', $2, 1e12, now() - interval '2 months', now() - interval '1 minute')`,
    [id, period],
  );

const active = (condition: string): Promise<unknown[]> =>
  sql(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND ${condition}`);

const lock = (id: string): string => `SELECT FROM budgets WHERE id = '${id}' FOR UPDATE`;

it('a batch that renews one does not wait for another that was made meanwhile, and sends its calls again', async () => {
  const leaseId = uuidV7();
  await sql("SELECT renew_lease($1, NULL, '1 minute')", [leaseId]);
  await makeBudget(LAST, 'DAY');
  // Stops the batch between the look that found the first budget and the next look.
  await sql(`
    CREATE TABLE gate (opened boolean);
    GRANT SELECT ON gate TO PUBLIC;
    CREATE FUNCTION await_gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      WHILE NOT EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP;
      RETURN NEW;
    END $$;
    CREATE TRIGGER await_gate BEFORE INSERT ON budget_epochs FOR EACH ROW EXECUTE FUNCTION await_gate()`);
  const { superuserUrl } = stage.database;
  const values = [leaseId, admissionsText([reservation()]), false, true];
  const admitted = rowsOf<AdmittedRow & Record<string, unknown>>(superuserUrl, ADMIT.text, values);
  // The refusal is read below.
  admitted.catch(() => undefined);
  await eventually(async () => {
    expect(await active("wait_event = 'PgSleep' AND query LIKE '%admit_usage(%'")).toHaveLength(1);
  });
  await makeBudget(FIRST, 'MONTH');
  await onDatabase(superuserUrl, async (other) => {
    await other.query('BEGIN');
    await other.query(lock(FIRST));
    const both = other.query(lock(LAST));
    await eventually(async () => {
      expect(await active("wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE'")).toHaveLength(1);
    });
    await sql('INSERT INTO gate VALUES (true)');
    expect(await admitted).toMatchObject([{ alive: true, verdicts: ['again'] }]);
    await both;
    await other.query('COMMIT');
  });
  expect(await sql('SELECT epoch, held FROM budgets ORDER BY id')).toEqual([
    { epoch: 1, held: '0' },
    { epoch: 2, held: '0' },
  ]);
});
