/** Calls whose answers are at hand: admitted as all calls are, and settled by the same statement. */
import { uuidV7 } from '../../platform/crypto/index.js';
import {
  ledgerRows,
  makeLedgerTenant,
  reservation,
  startLedgerProcess,
  type LedgerProcess,
} from '../../../test/support/ledger-process.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { cutOnceCommitted } from '../../../test/support/postgres-proxy.js';
import { rowsOf } from '../../../test/support/sql.js';
import type { AnsweredCall } from './usage.types.js';

const FREE = { inputPicoUsd: 0n, outputPicoUsd: 0n };

let database: TestDatabase;
let one: LedgerProcess;
let other: LedgerProcess;

beforeEach(async () => {
  database = await createTestDatabase();
  await makeLedgerTenant(database.superuserUrl);
  // What a neighbour in the same statement holds for its moment is waited for.
  const patient = { admissionWaitMs: 30_000 };
  [one, other] = await Promise.all([
    startLedgerProcess(database.ownerUrl, patient),
    startLedgerProcess(database.ownerUrl, patient),
  ]);
});

afterEach(async () => {
  await Promise.all([one.stop(), other.stop()]);
  await database.drop();
});

const answered = (gatewayId: string): AnsweredCall => ({
  ...reservation({ keyId: null, gatewayId, reservedInputTokens: 0, reservedOutputTokens: 0, price: FREE }),
  latencyMs: 4.6,
});

const limit = (gatewayId: string, type: string, amount: number, used = 0): Promise<unknown> =>
  rowsOf(
    database.superuserUrl,
    `INSERT INTO budgets (id, tenant_id, holder, type, period, amount, used, starts_at)
     VALUES (gen_random_uuid(), 'acme', $1, $2, 'NONE', $3, $4, now())`,
    [`gateway:${gatewayId}`, type, amount * 1e6, used * 1e6],
  );

const left = (gatewayId: string): Promise<unknown[]> =>
  rowsOf(database.superuserUrl, 'SELECT type, used::int, held::int FROM budgets WHERE holder = $1 ORDER BY type', [
    `gateway:${gatewayId}`,
  ]);

it('is settled once it is admitted: one request, and nothing else', async () => {
  await limit('a', 'request_cnt', 5);
  await limit('a', 'token_cnt', 100);
  const call = answered('a');
  await one.ledger.record(call);
  expect(await ledgerRows(database.superuserUrl, call.id)).toEqual([
    expect.objectContaining({ state: 'SETTLED', outcome: 'OK', status_code: 200, input_tokens: 0, output_tokens: 0 }),
  ]);
  expect(await left('a')).toEqual([
    { type: 'request_cnt', used: 1_000_000, held: 0 },
    { type: 'token_cnt', used: 0, held: 0 },
  ]);
});

it('passes exactly as often as there is room for, of several holders and over two processes at once', async () => {
  const gateways = ['a', 'b', 'c'];
  for (const gateway of gateways) await limit(gateway, 'request_cnt', 10);
  const asked = gateways.flatMap((gateway) =>
    Array.from({ length: 60 }, (_, index) => ({ gateway, by: index % 2 ? one : other })),
  );
  const answers = await Promise.allSettled(asked.map(({ gateway, by }) => by.ledger.record(answered(gateway))));
  for (const gateway of gateways) {
    const passed = answers.filter(({ status }, index) => status === 'fulfilled' && asked[index]!.gateway === gateway);
    expect(passed).toHaveLength(10);
    expect(await left(gateway)).toEqual([{ type: 'request_cnt', used: 10_000_000, held: 0 }]);
  }
  for (const answer of answers)
    if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ kind: 'usage_limit_exceeded' });
  expect(await rowsOf(database.superuserUrl, 'SELECT state, count(*)::int FROM usage_records GROUP BY 1')).toEqual([
    { state: 'SETTLED', count: 30 },
  ]);
});

it('is refused where nothing of a limit of tokens is left, and then leaves no row', async () => {
  await limit('a', 'token_cnt', 100, 101);
  await expect(one.ledger.record(answered('a'))).rejects.toMatchObject({ kind: 'usage_limit_exceeded' });
  expect(await rowsOf(database.superuserUrl, 'SELECT 1 FROM usage_records')).toEqual([]);
});

it('counts once, and is whole, where the answer to its commit was lost', async () => {
  await limit('a', 'request_cnt', 5);
  const call = answered('a');
  cutOnceCommitted(one.proxy, 'admit_answered');
  await expect(one.ledger.record(call)).rejects.toMatchObject({ kind: 'unavailable' });
  expect(await ledgerRows(database.superuserUrl, call.id)).toEqual([
    expect.objectContaining({ state: 'SETTLED', outcome: 'OK' }),
  ]);
  await one.ledger.record(call);
  await one.ledger.record({ ...call, id: uuidV7() });
  expect(await left('a')).toEqual([{ type: 'request_cnt', used: 2_000_000, held: 0 }]);
});
