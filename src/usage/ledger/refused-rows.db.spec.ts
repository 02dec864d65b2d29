/** What the ledger refuses to write, by triggers and functions: a check of the table would cost each call. */
import { uuidV7 } from '../../platform/crypto/index.js';
import { reservation } from '../../../test/support/ledger-process.js';
import { LedgerStage } from '../../../test/support/ledger-stage.js';
import { rowsOf } from '../../../test/support/sql.js';
import { ADMIT, admissionsText } from './ledger-statements.js';
import type { Reservation } from './usage.types.js';

const CHECK_VIOLATION = { code: '23514' };

const stage = LedgerStage.forEachTest();
const sql = (text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
  rowsOf(stage.database.superuserUrl, text, values);

describe('a budget', () => {
  const makeBudget = (holder: string, type: string, period: string, amount = 1, raiseBy = 0): Promise<unknown> =>
    sql(
      `INSERT INTO budgets (id, tenant_id, holder, type, period, amount, raise_by, starts_at)
       VALUES (gen_random_uuid(), 'acme', $1, $2, $3, $4, $5, now())`,
      [holder, type, period, amount, raiseBy],
    );

  it.each([
    ['a holder', 'robot:1', 'token_cnt', 'DAY'],
    ['a type', 'tenant', 'tokens', 'DAY'],
    ['a period', 'tenant', 'token_cnt', 'YEAR'],
  ])('of %s that does not exist is refused, by the owner too', async (_what, holder, type, period) => {
    await expect(makeBudget(holder, type, period)).rejects.toMatchObject(CHECK_VIOLATION);
  });

  it('below 0 is refused when it is made and when it is set, and so is one that is raised by less', async () => {
    await expect(makeBudget('tenant', 'token_cnt', 'DAY', -1)).rejects.toMatchObject(CHECK_VIOLATION);
    await expect(makeBudget('tenant', 'token_cnt', 'DAY', 0, -1)).rejects.toMatchObject(CHECK_VIOLATION);
    await makeBudget('tenant', 'token_cnt', 'DAY', 0);
    await expect(sql('UPDATE budgets SET amount = -1')).rejects.toMatchObject(CHECK_VIOLATION);
    await expect(sql('UPDATE budgets SET raise_by = -1')).rejects.toMatchObject(CHECK_VIOLATION);
    // What is used and held may be anything.
    await sql('UPDATE budgets SET used = -1, held = -1');
  });
});

describe('a call', () => {
  const leaseId = uuidV7();
  const admit = (...calls: Partial<Reservation>[]): Promise<unknown> =>
    sql(ADMIT.text, [leaseId, admissionsText(calls.map(reservation)), null, true]);
  beforeEach(() => sql("SELECT renew_lease($1, NULL, '1 minute')", [leaseId]));

  it.each([
    ['input', { reservedInputTokens: -1 }],
    ['output', { reservedOutputTokens: -1 }],
    ['a default output', { defaultOutput: { tokens: -1, most: null } }],
    ['choices', { choices: -1 }],
    ['a price', { price: { inputPicoUsd: 1n, outputPicoUsd: -1n } }],
  ])('with %s below 0 is refused, alone and among others', async (_what, changes) => {
    await expect(admit(changes)).rejects.toMatchObject(CHECK_VIOLATION);
    await expect(admit({}, changes)).rejects.toMatchObject(CHECK_VIOLATION);
    await admit({ price: null }, { price: { inputPicoUsd: 0n, outputPicoUsd: 0n } });
  });

  it('that is recorded already fails its batch, in words that the release before knows as well', async () => {
    const id = uuidV7();
    await admit({ id });
    await expect(admit({}, { id })).rejects.toMatchObject({ code: '23505' });
    const text = 'SELECT FROM admit_usage($1, $2::text[]::admission[], $3, $4)';
    const batch = admissionsText([reservation(), reservation({ id })]);
    await expect(sql(text, [leaseId, batch, false, true])).rejects.toMatchObject({ code: 'GH001' });
    expect(await sql('SELECT id FROM usage_records')).toEqual([{ id }]);
    await sql(text, [leaseId, batch, true, true]);
    expect(await sql('SELECT FROM usage_records')).toHaveLength(2);
  });
});
