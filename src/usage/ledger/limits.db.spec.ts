import { uuidV7 } from '../../platform/crypto/index.js';
import type { LimitChange } from '../../humans/index.js';
import {
  ledgerRows,
  makeLedgerTenant,
  reservation,
  settlement,
  startLedgerProcess,
  type LedgerProcess,
} from '../../../test/support/ledger-process.js';
import { HUMAN_LIMITS } from '../../../test/support/human-limits.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { rowsOf } from '../../../test/support/sql.js';
import type { Admission, Reservation, Settlement } from './usage.types.js';

const UNIT = 1_000_000n;
/** A token of the input costs 2 micro-dollars, one of the output 8. */
const PRICE = { inputPicoUsd: 2n * UNIT, outputPicoUsd: 8n * UNIT };

let database: TestDatabase;
let one: LedgerProcess;
let other: LedgerProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  await makeLedgerTenant(database.superuserUrl);
  [one, other] = await Promise.all([startLedgerProcess(database.ownerUrl), startLedgerProcess(database.ownerUrl)]);
});

afterAll(async () => {
  await Promise.all([one.stop(), other.stop()]);
  await database.drop();
});

interface Counters {
  readonly id: string;
  readonly token_cnt: bigint | null;
  readonly token_cnt_reserved: bigint;
  readonly request_cnt: bigint | null;
  readonly request_cnt_reserved: bigint;
  readonly cost_micros: bigint | null;
  readonly cost_micros_reserved: bigint;
}

const sql = <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
  rowsOf<Row & Record<string, unknown>>(database.superuserUrl, text, values);

/** In whole units, for reading; `reserved` where anything is. */
async function counters(human: string): Promise<Record<string, number | null>> {
  const [row] = await sql<Counters>(`SELECT * FROM ${HUMAN_LIMITS} AS h WHERE human = $1`, [human]);
  const units = (value: bigint | null | undefined): number | null =>
    value === null || value === undefined ? null : Number(value) / 1_000_000;
  return {
    tokens: units(row?.token_cnt),
    tokensReserved: units(row?.token_cnt_reserved),
    requests: units(row?.request_cnt),
    requestsReserved: units(row?.request_cnt_reserved),
    cost: units(row?.cost_micros),
    costReserved: units(row?.cost_micros_reserved),
  };
}

async function limit(human: string, limits: Partial<Record<LimitChange['type'], number | null>>): Promise<void> {
  const changes = Object.entries(limits).map(([type, value]) => ({
    type,
    microUnits: value === null ? null : (BigInt(value) * UNIT).toString(),
  }));
  await one.database.changeTenant('acme', async (tx) => {
    await tx.$executeRawUnsafe("SELECT add_humans('{acme}', ARRAY[$1], '{NULL}')", human);
    await tx.$executeRawUnsafe(
      'SELECT set_limits((SELECT id FROM humans WHERE human = $1), $2::jsonb)',
      human,
      JSON.stringify(changes),
    );
  });
}

const reserve = (changes: Partial<Reservation>, by = one): Promise<Admission> =>
  by.ledger.reserve(reservation(changes));
const refusalOf = (
  changes: Partial<Reservation>,
  by = one,
): Promise<{ code?: string; kind: string; message: string }> =>
  reserve(changes, by).then(
    () => Promise.reject(new Error('was admitted')),
    (error: unknown) => error as { code?: string; kind: string; message: string },
  );

async function settle(id: string, changes: Partial<Settlement> = {}, by = one): Promise<void> {
  by.ledger.settle(settlement(id, changes));
  await by.ledger.flush();
}

describe('admission under limits', () => {
  it('reserves the bound of each limited type, and settles the truth', async () => {
    const [human, id] = [uuidV7(), uuidV7()];
    await limit(human, { token_cnt: 5000, request_cnt: 3, cost_micros: 100_000 });
    expect(await reserve({ id, human, price: PRICE })).toEqual({ limited: true, outputTokens: 1000 });
    expect(await counters(human)).toEqual({
      tokens: 5000,
      tokensReserved: 1100,
      requests: 3,
      requestsReserved: 1,
      cost: 100_000,
      costReserved: 8200,
    });
    await settle(id, { inputTokens: 90, outputTokens: 200, costPicoUsd: 1780n * UNIT });
    expect(await counters(human)).toEqual({
      tokens: 4710,
      tokensReserved: 0,
      requests: 2,
      requestsReserved: 0,
      cost: 98_220,
      costReserved: 0,
    });
  });

  it.each([
    ['token_cnt', { token_cnt: 99 }],
    ['request_cnt', { request_cnt: 0 }],
    ['cost_micros', { cost_micros: 199 }],
    ['cost_micros', { cost_micros: 0 }],
    ['token_cnt', { token_cnt: 100, request_cnt: 5, cost_micros: 100_000 }],
  ] as const)('refuses by %s what does not fit, and takes nothing of any type', async (type, limits) => {
    const [human, id] = [uuidV7(), uuidV7()];
    await limit(human, limits);
    const before = await counters(human);
    expect(await refusalOf({ id, human, price: PRICE })).toMatchObject({
      kind: 'usage_limit_exceeded',
      message: expect.stringContaining(`The human's limit of ${type} has too little left for this request.`),
    });
    expect(await counters(human)).toEqual(before);
    expect(await ledgerRows(database.superuserUrl, id)).toEqual([]);
  });

  it('grants the room that is left, in whole tokens for each choice, by whichever limit leaves less', async () => {
    const human = uuidV7();
    await limit(human, { token_cnt: 100 + 14 });
    expect(await reserve({ human, choices: 4, reservedOutputTokens: 4000 })).toEqual({
      limited: true,
      outputTokens: 12,
    });
    expect(await counters(human)).toMatchObject({ tokensReserved: 112 });
    const dear = uuidV7();
    await limit(dear, { token_cnt: 100_000, cost_micros: 200 + 8 * 7 + 3 });
    expect(await reserve({ human: dear, price: PRICE })).toEqual({ limited: true, outputTokens: 7 });
    expect(await counters(dear)).toMatchObject({ tokensReserved: 107, costReserved: 256 });
  });

  it('refuses a prompt that fits where there is no token left for each choice', async () => {
    const human = uuidV7();
    await limit(human, { token_cnt: 100 + 3 });
    expect(await refusalOf({ human, choices: 4 })).toMatchObject({ kind: 'usage_limit_exceeded' });
  });

  it('refuses what no limit could judge, and nothing else', async () => {
    const human = uuidV7();
    const boundless = 'messages[0].content[1]';
    await limit(human, { request_cnt: 10 });
    expect(await reserve({ human, boundless })).toMatchObject({ limited: false });
    await limit(human, { token_cnt: 10_000 });
    expect(await refusalOf({ human, boundless })).toMatchObject({ kind: 'invalid_input', code: 'usage_not_bounded' });
    expect(await reserve({ human })).toMatchObject({ limited: true });
    await limit(human, { token_cnt: null, cost_micros: 10_000 });
    expect(await refusalOf({ human })).toMatchObject({ kind: 'invalid_input', code: 'model_without_price' });
    expect(await refusalOf({ human, unpriced: 'messages' })).toMatchObject({ code: 'usage_not_bounded' });
    expect(await reserve({ human, price: PRICE })).toMatchObject({ limited: true });
  });

  it('lets a human without limits by, and one of another name', async () => {
    const human = uuidV7();
    await limit(human, { request_cnt: 0 });
    expect(await reserve({ human: human.toUpperCase() })).toEqual({ limited: false, outputTokens: 1000 });
    expect(await reserve({ human: null })).toEqual({ limited: false, outputTokens: 1000 });
  });

  it('does not take a retried reservation for a second one', async () => {
    const [human, id] = [uuidV7(), uuidV7()];
    await limit(human, { token_cnt: 1500 });
    expect(await reserve({ id, human })).toEqual({ limited: true, outputTokens: 1000 });
    expect(await reserve({ id, human }, other)).toEqual({ limited: true, outputTokens: 1000 });
    expect(await counters(human)).toMatchObject({ tokensReserved: 1100 });
  });

  it('admits exactly as many as there is room for, over two processes and several humans at once', async () => {
    const humans = [uuidV7(), uuidV7(), uuidV7()];
    for (const human of humans) await limit(human, { request_cnt: 10, token_cnt: 1_000_000 });
    const asked = humans.flatMap((human) =>
      Array.from({ length: 60 }, (_, index) => ({ human, by: index % 2 ? one : other })),
    );
    const answers = await Promise.allSettled(asked.map(({ human, by }) => reserve({ human }, by)));
    for (const human of humans) {
      const passed = answers.filter(({ status }, index) => status === 'fulfilled' && asked[index]!.human === human);
      expect(passed).toHaveLength(10);
      expect(await counters(human)).toMatchObject({ requests: 10, requestsReserved: 10, tokensReserved: 11_000 });
    }
  });
});

describe('settling under limits', () => {
  it('gives back a request of which the upstream made nothing', async () => {
    const [human, id] = [uuidV7(), uuidV7()];
    await limit(human, { request_cnt: 1 });
    await reserve({ id, human });
    await settle(id, { outcome: 'UPSTREAM_ERROR', inputTokens: 0, outputTokens: 0, counted: false });
    expect(await counters(human)).toMatchObject({ requests: 1, requestsReserved: 0 });
  });

  it('does not touch a limit that was set again meanwhile, and touches the others', async () => {
    const [human, id] = [uuidV7(), uuidV7()];
    await limit(human, { token_cnt: 5000, request_cnt: 5 });
    await reserve({ id, human });
    await limit(human, { token_cnt: 2000 });
    expect(await counters(human)).toMatchObject({ tokens: 2000, tokensReserved: 0, requestsReserved: 1 });
    await settle(id);
    expect(await counters(human)).toMatchObject({ tokens: 2000, tokensReserved: 0, requests: 4, requestsReserved: 0 });
    expect(await ledgerRows(database.superuserUrl, id)).toEqual([expect.objectContaining({ input_tokens: 7 })]);
  });

  it('keeps the truth where it exceeds the bound, counts the overrun, and lets nothing more pass', async () => {
    const [human, id] = [uuidV7(), uuidV7()];
    await limit(human, { token_cnt: 1200 });
    await reserve({ id, human });
    const before = (await one.metrics.overruns.get()).values[0]?.value ?? 0;
    await settle(id, { outputTokens: 5000 });
    expect(await counters(human)).toMatchObject({ tokens: 1200 - 5007, tokensReserved: 0 });
    expect((await one.metrics.overruns.get()).values[0]?.value).toBe(before + 1);
    expect(await sql('SELECT overrun FROM usage_records WHERE id = $1', [id])).toEqual([{ overrun: true }]);
    expect(await refusalOf({ human })).toMatchObject({ kind: 'usage_limit_exceeded' });
  });

  it('recreates nothing of a human who was erased meanwhile, and writes the ledger', async () => {
    const [human, id] = [uuidV7(), uuidV7()];
    await limit(human, { token_cnt: 5000 });
    await reserve({ id, human });
    await sql('DELETE FROM humans WHERE human = $1', [human]);
    await settle(id);
    expect(await sql('SELECT 1 FROM humans WHERE human = $1', [human])).toEqual([]);
    expect(await ledgerRows(database.superuserUrl, id)).toEqual([expect.objectContaining({ state: 'SETTLED' })]);
  });

  it('charges an orphan whole, and the truth that comes after it corrects the limit too', async () => {
    const [human, id] = [uuidV7(), uuidV7()];
    await limit(human, { token_cnt: 5000, request_cnt: 5, cost_micros: 100_000 });
    await reserve({ id, human, price: PRICE });
    await sql('UPDATE process_leases SET ended_at = clock_timestamp() WHERE id = $1', [one.lease.id]);
    expect(await sql("SELECT sweep_usage('1 second', '1 day') AS swept")).not.toEqual([{ swept: 0 }]);
    expect(await counters(human)).toEqual({
      tokens: 3900,
      tokensReserved: 0,
      requests: 4,
      requestsReserved: 0,
      cost: 91_800,
      costReserved: 0,
    });
    await settle(id, { counted: false, costPicoUsd: 100n * UNIT });
    await settle(id, { counted: false, costPicoUsd: 100n * UNIT });
    expect(await counters(human)).toMatchObject({ tokens: 5000 - 18, requests: 5, cost: 99_900 });
  });
});

describe('default limits', () => {
  it('are those of the key by which a human comes first, else the tenant’s; existing humans keep theirs', async () => {
    await sql(
      `UPDATE tenants SET default_limits = '[{"type":"request_cnt","microUnits":"7000000"}]' WHERE id = 'acme'`,
    );
    await sql(
      `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, created_by, default_limits, unlimited)
       VALUES ('key_own', 'acme', 'PUBLISHABLE', 'k', 'pk_', '\\x01', 1, 'ann', '[{"type":"token_cnt","microUnits":"50000000000"}]', false),
              ('key_none', 'acme', 'PUBLISHABLE', 'k', 'pk_', '\\x02', 1, 'ann', NULL, false),
              ('key_free', 'acme', 'PUBLISHABLE', 'k', 'pk_', '\\x03', 1, 'ann', NULL, true)`,
    );
    const [byKey, byTenant, free] = [uuidV7(), uuidV7(), uuidV7()];
    await Promise.all([
      reserve({ human: byKey, keyId: 'key_own' }),
      reserve({ human: byTenant, keyId: 'key_none' }),
      reserve({ human: free, keyId: 'key_free' }),
    ]);
    expect(await counters(byKey)).toMatchObject({ tokens: 50_000, tokensReserved: 1100, requests: null });
    expect(await counters(byTenant)).toMatchObject({ tokens: null, requests: 7, requestsReserved: 1 });
    expect(await counters(free)).toMatchObject({ tokens: null, requests: null });
    await reserve({ human: free, keyId: 'key_own' });
    expect(await counters(free)).toMatchObject({ tokens: null, requests: null });
    await sql('UPDATE tenants SET default_limits = NULL');
  });
});
