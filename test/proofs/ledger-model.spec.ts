/**
 * After any sequence of operations by two processes, the rows equal those of a small model of the ledger: calls are refused
 * exactly where there is no room, and at each step each limit is its last value minus the ledger.
 */
import fc from 'fast-check';
import type pg from 'pg';
import { uuidV7 } from '../../src/platform/crypto/index.js';
import { Fault } from '../../src/platform/errors/index.js';
import {
  makeLedgerTenant,
  reservation,
  settlement,
  startLedgerProcess,
  type LedgerProcess,
} from '../support/ledger-process.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { inForm } from '../support/proof-form.js';
import {
  LedgerModel,
  amountsOf,
  type Answer,
  type Asked,
  type Call,
  type Truth,
} from '../support/proof-ledger-model.js';
import {
  accountsOf,
  setLimits,
  units,
  type CountedType,
  type LimitValues,
  type RunSql,
} from '../support/proof-limits.js';
import { connectionTo } from '../support/sql.js';

const STEPS = inForm(300, 10_000);
const TENANT = 'acme';
/** The tenant's default limits for new humans, and those of its keys. */
const TENANTS_DEFAULT = { request_cnt: units(9), token_cnt: units(9000) };
const KEYS: Readonly<Record<string, LimitValues>> = {
  key_own: { cost_micros: units(12_345) },
  key_free: {},
  key_plain: TENANTS_DEFAULT,
};

let database: TestDatabase;
let client: pg.Client;
let processes: readonly [LedgerProcess, LedgerProcess];

const sql: RunSql = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> =>
  (await client.query<Row>(text, values)).rows;

const stored = (limits: LimitValues): string =>
  JSON.stringify(Object.entries(limits).map(([type, value]) => ({ type, microUnits: String(value) })));

beforeAll(async () => {
  database = await createTestDatabase();
  client = connectionTo(database.superuserUrl);
  await client.connect();
  await makeLedgerTenant(database.superuserUrl);
  await sql('UPDATE tenants SET default_limits = $1', [stored(TENANTS_DEFAULT)]);
  await sql(
    `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, created_by, default_limits, unlimited)
     VALUES ('key_own', 'acme', 'PUBLISHABLE', 'k', 'pk_', '\\x01', 1, 'ann', $1, false),
            ('key_plain', 'acme', 'PUBLISHABLE', 'k', 'pk_', '\\x02', 1, 'ann', NULL, false),
            ('key_free', 'acme', 'PUBLISHABLE', 'k', 'pk_', '\\x03', 1, 'ann', NULL, true)`,
    [stored(KEYS['key_own']!)],
  );
  processes = [await startLedgerProcess(database.ownerUrl), await startLedgerProcess(database.ownerUrl)];
});

afterAll(async () => {
  await Promise.all(processes.map((process) => process.stop()));
  await client.end();
  await database.drop();
});

// ---------------------------------------------------------------------------------------------------- operations

type Operation =
  /** Several humans' simultaneous calls, by both processes; those of one human are equal, as their order is not known. */
  | {
      readonly kind: 'reserve';
      readonly groups: readonly (Asked & { readonly count: number })[];
      readonly first: 0 | 1;
    }
  | {
      readonly kind: 'settle';
      readonly pick: number;
      readonly open: boolean;
      readonly truth: Truth;
      readonly by: 0 | 1;
    }
  /** The same reservation again: by one process, or by both at once. */
  | { readonly kind: 'retry'; readonly pick: number; readonly by: readonly (0 | 1)[] }
  /** A process's lease ends, and its open calls are charged. */
  | { readonly kind: 'sweep'; readonly of: 0 | 1 }
  | { readonly kind: 'set'; readonly human: string; readonly limits: LimitValues }
  /** A call whose bound fits its limit exactly, or is one too large or too small. */
  | {
      readonly kind: 'edge';
      readonly asked: Asked & { readonly human: string };
      readonly type: CountedType;
      readonly by: bigint;
    }
  | { readonly kind: 'erase'; readonly human: string };

const human = fc.constantFrom('ann', 'bob', 'Ann');
const either = fc.constantFrom(0 as const, 1 as const);
const pico = fc.oneof(fc.constantFrom(0n, 1_000_000n, 8_000_000n), fc.bigInt({ min: 0n, max: 9_999_999n }));

const asked = fc.record({
  human: fc.oneof({ weight: 9, arbitrary: human }, { weight: 1, arbitrary: fc.constant(null) }),
  keyId: fc.constantFrom(...Object.keys(KEYS)),
  input: fc.nat({ max: 300 }),
  output: fc.integer({ min: 1, max: 1200 }),
  choices: fc.constantFrom(1, 1, 1, 2, 3, 7),
  isBoundless: fc.integer({ min: 0, max: 11 }).map((number) => number === 11),
  price: fc.option(fc.record({ inputPicoUsd: pico, outputPicoUsd: pico }), { freq: 7 }),
  count: fc.constantFrom(1, 1, 1, 2, 5, 12),
});

const truth = fc.record({
  // Mostly within the bound, sometimes beyond.
  input: fc.oneof({ weight: 6, arbitrary: fc.nat({ max: 60 }) }, { weight: 1, arbitrary: fc.nat({ max: 900 }) }),
  output: fc.oneof({ weight: 6, arbitrary: fc.nat({ max: 200 }) }, { weight: 1, arbitrary: fc.nat({ max: 4000 }) }),
  cost: fc.oneof(
    { weight: 6, arbitrary: fc.bigInt(0n, 900_000_000n) },
    { weight: 1, arbitrary: fc.bigInt(0n, 20_000_000_000n) },
  ),
  isCounted: fc.boolean(),
});

const value = (most: bigint): fc.Arbitrary<bigint | null> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.bigInt(0n, most) },
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constant(0n) },
  );

const limits = fc.record(
  { request_cnt: value(units(15)), token_cnt: value(units(12_000)), cost_micros: value(units(30_000)) },
  { requiredKeys: [] },
);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('reserve' as const),
      groups: fc.uniqueArray(asked, { minLength: 1, maxLength: 3, selector: (group) => group.human }),
      first: either,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      pick: fc.nat(),
      open: fc.constantFrom(true, true, true, false),
      truth,
      by: either,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('retry' as const),
      pick: fc.nat(),
      by: fc.constantFrom<(0 | 1)[]>([0], [1], [0, 1]),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sweep' as const), of: either }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('set' as const), human, limits }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('edge' as const),
      asked: fc.tuple(asked, human).map(([one, name]) => ({ ...one, human: name })),
      type: fc.constantFrom('token_cnt' as const, 'cost_micros' as const),
      by: fc.constantFrom(-1n, 0n, 1n),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('erase' as const), human }) },
);

// ---------------------------------------------------------------------------------------------------- the ledger

async function answerOf(by: LedgerProcess, id: string, { isBoundless, ...call }: Asked): Promise<Answer> {
  try {
    const { limited, outputTokens } = await by.ledger.reserve(
      reservation({
        id,
        human: call.human,
        keyId: call.keyId,
        reservedInputTokens: call.input,
        reservedOutputTokens: call.output,
        choices: call.choices,
        boundless: isBoundless ? 'messages[0]' : null,
        price: call.price,
      }),
    );
    return limited ? `${outputTokens} of output, limited` : `${outputTokens} of output`;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const reasons: Readonly<Record<string, string>> = {
      usage_not_bounded: 'boundless',
      model_without_price: 'unpriced',
    };
    const reason =
      reasons[error.code ?? ''] ??
      /^The human's limit of (\w+) (has too little|has room)/.exec(error.message)?.slice(1, 3).join(' ');
    if (reason === undefined) throw error;
    return `refused: ${reason}`;
  }
}

class Run {
  readonly model = new LedgerModel((keyId) => KEYS[keyId ?? 'key_plain']!);
  /** Every requested reservation, including the refused ones. */
  private readonly asked = new Map<string, Asked>();

  async do(step: Operation): Promise<void> {
    switch (step.kind) {
      case 'reserve':
        return this.reserve(step.groups, step.first);
      case 'settle':
        return this.settle(step);
      case 'retry':
        return this.retry(step.pick, step.by);
      case 'sweep': {
        const { id } = processes[step.of].lease;
        await sql('UPDATE process_leases SET ended_at = coalesce(ended_at, clock_timestamp()) WHERE id = $1', [id]);
        await sql("SELECT sweep_usage('1 day', '1 day')");
        return this.model.sweep(id);
      }
      case 'set':
        await setLimits(processes[0].database, TENANT, step.human, step.limits);
        return this.model.set(step.human, step.limits);
      case 'edge': {
        const { asked: one, type, by } = step;
        const bound = amountsOf(one, one.output)[type] + by * (type === 'token_cnt' ? units(1) : 1n);
        await this.do({ kind: 'set', human: one.human, limits: { [type]: bound < 0n ? 0n : bound } });
        return this.reserve([{ ...one, count: 1 }], 0);
      }
      case 'erase':
        await processes[0].database.changeTenant(TENANT, (tx) =>
          tx.$executeRawUnsafe('DELETE FROM humans WHERE tenant_id = $1 AND human = $2', TENANT, step.human),
        );
        return this.model.erase(step.human);
    }
  }

  private async reserve(groups: readonly (Asked & { readonly count: number })[], first: 0 | 1): Promise<void> {
    const calls = groups.flatMap(({ count, ...one }) =>
      Array.from({ length: count }, () => ({ id: uuidV7(), asked: one })),
    );
    for (const { id, asked: one } of calls) this.asked.set(id, one);
    const answers = await Promise.all(
      calls.map(({ id, asked: one }, index) => answerOf(processes[index % 2 === first ? 0 : 1], id, one)),
    );
    for (const group of groups)
      this.match(
        group.human,
        calls.map((call, index) => ({ ...call, answer: answers[index]! })),
      );
  }

  /** The order of a human's parallel calls is unknown: as many must have each answer as in the model. */
  private match(whose: string | null, all: readonly { id: string; asked: Asked; answer: Answer }[]): void {
    const own = all.filter(({ asked: { human: name } }) => name === whose);
    const expected = own.map((one) => this.model.reserve(one.asked));
    expect(own.map(({ answer }) => answer).sort()).toEqual(expected.map(({ answer }) => answer).sort());
    for (const { id, answer } of own) {
      const [judged] = expected.splice(
        expected.findIndex((one) => one.answer === answer),
        1,
      );
      if (judged?.call) this.model.calls.set(id, judged.call);
    }
  }

  private async settle({ pick, open, truth: given, by }: Extract<Operation, { kind: 'settle' }>): Promise<void> {
    const calls = [...this.model.calls].filter(([, { state }]) => !open || state === 'RESERVED');
    if (calls.length === 0) return;
    const [id, call] = calls[pick % calls.length]!;
    // The cost of a model without a price is unknown and counts as nothing.
    const fact = { ...given, cost: call.asked.price === null ? null : given.cost };
    const { ledger } = processes[by];
    ledger.settle(
      settlement(id, {
        inputTokens: fact.input,
        outputTokens: fact.output,
        costPicoUsd: fact.cost,
        counted: fact.isCounted,
      }),
    );
    await ledger.flush();
    this.model.settle(call, fact);
  }

  private async retry(pick: number, by: readonly (0 | 1)[]): Promise<void> {
    if (this.asked.size === 0) return;
    const [id, again] = [...this.asked][pick % this.asked.size]!;
    const answers = await Promise.all(by.map((process) => answerOf(processes[process], id, again)));
    const expected = by.map(() => {
      const known = this.model.calls.get(id);
      if (known !== undefined) return this.model.repeat(known);
      const { answer, call } = this.model.reserve(again);
      if (call !== null) this.model.calls.set(id, call);
      return answer;
    });
    expect(answers.sort()).toEqual(expected.sort());
  }

  async check(): Promise<void> {
    await this.checkLimits();
    await this.checkRows();
  }

  private async checkLimits(): Promise<void> {
    const accounts = await accountsOf(sql, TENANT);
    const actual = accounts.map(({ human: name, type, left, reserved }) => ({ name, type, left, reserved }));
    const expected = [...this.model.humans].flatMap(([name, held]) =>
      Object.entries(held).map(([type, { left, reserved }]) => ({ name, type, left, reserved })),
    );
    expect(sorted(actual)).toEqual(sorted(expected));
    for (const { human: name, type, left, reserved, spent, held } of accounts) {
      const limit = this.model.humans.get(name)![type];
      // The ledger by itself gives the same amounts as the counters.
      expect({ name, type, left, reserved }).toEqual({
        name,
        type,
        left: limit.value === null ? null : limit.value - spent,
        reserved: held,
      });
      expect({ name, type, sound: reserved >= 0n && (left === null || limit.isOverrun || left >= reserved) }).toEqual({
        name,
        type,
        sound: true,
      });
    }
  }

  private async checkRows(): Promise<void> {
    const rows = await sql<Record<string, string | number | boolean | null> & { id: string; lease_id: string }>(
      `SELECT c.id, c.state, c.lease_id, c.reserved_input_tokens::int AS reserved_input,
              c.reserved_output_tokens::int AS granted, c.reserved_cost_pico_usd::text AS reserved_cost,
              c.limited, coalesce(cardinality(c.budget_ids), 0) AS budgets, (c.input_tokens + coalesce(a.input_tokens, 0))::int AS input,
              (c.output_tokens + coalesce(a.output_tokens, 0))::int AS output, c.requests + coalesce(a.requests, 0) AS requests,
              (c.cost_pico_usd + coalesce(a.cost_pico_usd, 0))::text AS cost, a.id IS NOT NULL AS corrected
       FROM usage_records c LEFT JOIN usage_records a ON a.adjusts = c.id WHERE c.kind = 'CALL'`,
    );
    for (const { id, lease_id: leaseId } of rows) {
      const call = this.model.calls.get(id);
      if (call !== undefined) call.leaseId ??= leaseId;
    }
    const actual = rows.map(({ lease_id: _, ...row }) => row);
    const expected = [...this.model.calls].map(([id, call]) => rowOf(id, call));
    expect(sorted(actual)).toEqual(sorted(expected));
  }
}

function rowOf(id: string, call: Call): object {
  const { asked: one, state, granted, epochs, used, isCorrected } = call;
  return {
    id,
    state,
    reserved_input: one.input,
    granted,
    reserved_cost: one.price === null ? null : call.reserved.cost_micros.toString(),
    limited: call.isLimited,
    budgets: Object.keys(epochs).length,
    input: used.input,
    output: used.output,
    requests: used.requests,
    cost: used.cost?.toString() ?? null,
    corrected: isCorrected,
  };
}

function sorted<T extends object>(rows: readonly T[]): T[] {
  const keyOf = (row: T): string => Object.values(row).slice(0, 2).map(String).join(' ');
  return [...rows].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

it(`equals the model for ${STEPS} steps, two processes at once`, async () => {
  let steps = 0;
  const met = new Set<string>();
  const property = fc.asyncProperty(fc.array(operation, { maxLength: 120, size: 'max' }), async (operations) => {
    await sql('DELETE FROM usage_records');
    await sql('DELETE FROM humans');
    const run = new Run();
    for (const step of operations) {
      await run.do(step);
      await run.check();
      steps += 1;
    }
    for (const { state, isCorrected } of run.model.calls.values()) met.add(isCorrected ? 'corrected' : state);
  });
  // A failure is reduced for a minute at most.
  while (steps < STEPS) await fc.assert(property, { numRuns: 5, interruptAfterTimeLimit: 60_000 });
  expect([...met].sort()).toEqual(['RESERVED', 'SETTLED', 'SWEPT', 'corrected']);
}, 1_500_000);
