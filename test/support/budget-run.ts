/** Random operations on the database's own functions and on the model of budgets, compared after each. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { compositeText } from '../../src/platform/database/index.js';
import {
  BudgetModel,
  MICROS,
  type Budget,
  type Call,
  type Named,
  type Terms,
  type Truth,
  type Type,
} from './budget-model.js';
import { connectionTo } from './sql.js';

const TENANTS = ['t1', 't2', 't3'];
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu'];
const PERIODS = ['NONE', 'MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH'];
const TYPES: readonly Type[] = ['request_cnt', 'token_cnt', 'cost_micros'];
const MODELS = ['gpt', 'claude', 'mini'];
const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** In the model a key is its holder; `a` has a default output of its own, and so has the tenant t2. */
const KEYS = ['key:a', 'key:b'];
const KEY_OUTPUT = 700n;
const TENANT_OUTPUT = 2500n;
const LIMITS_OF_T1 = { request_cnt: 30n * MICROS, token_cnt: 40_000n * MICROS };

const outputOf = (tenant: string, key: string | null): bigint | null =>
  key === 'key:a' ? KEY_OUTPUT : tenant === 't2' ? TENANT_OUTPUT : null;
const limitsOf = (tenant: string): typeof LIMITS_OF_T1 | Record<string, never> => (tenant === 't1' ? LIMITS_OF_T1 : {});

/** A clock that the test sets. */
const TURNED_CLOCK = `
  CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$ SELECT coalesce(nullif(current_setting('test.now', true), '')::timestamptz, clock_timestamp()) $$`;

export interface RunOptions {
  readonly operations: number;
  readonly seed: number;
}

/** The number of operations by kind. @throws AssertionError at the first difference */
export async function runBudgets(superuserUrl: string, options: RunOptions): Promise<Readonly<Record<string, number>>> {
  const client = connectionTo(superuserUrl);
  await client.connect();
  try {
    const run = new Run(client, options.seed);
    await run.prepare();
    for (let step = 0; step < options.operations; step += 1) await run.step(step);
    await run.compareBudgets('at the end');
    await run.compareLedger();
    return run.counts;
  } finally {
    await client.end();
  }
}

class Run {
  readonly counts: Record<string, number> = {};
  private readonly model = new BudgetModel(limitsOf, outputOf);
  private readonly leases = new Set<string>();
  private readonly ended = new Set<string>();
  private lease = '';
  /** Calls that may be sent again. */
  private known: Call[] = [];
  /** The database's id of each human, by the model's holder. */
  private readonly humanIds = new Map<string, string>();

  constructor(
    private readonly client: pg.Client,
    private seed: number,
  ) {}

  // -------------------------------------------------------------------------------------------------- chance

  private random(): number {
    this.seed = (this.seed * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return this.seed / 4_294_967_296;
  }

  private whole(most: number): number {
    return Math.floor(this.random() * most);
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.whole(list.length)]!;
  }

  private newId(): string {
    const time = this.model.now.toString(16).padStart(12, '0');
    const tail = Array.from({ length: 18 }, () => this.whole(16).toString(16)).join('');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${tail.slice(0, 3)}-8${tail.slice(3, 6)}-${tail.slice(6)}`;
  }

  private count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  // -------------------------------------------------------------------------------------------------- the database

  private async sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.client.query<Row>(text, values)).rows;
  }

  async prepare(): Promise<void> {
    await this.sql(TURNED_CLOCK);
    // The operations span years.
    await this.sql(
      "SELECT add_usage_partition(date '2026-03-15' + i * interval '1 month') FROM generate_series(0, 60) AS i",
    );
    await this.sql("INSERT INTO orgs (id, name, slug, created_by) VALUES ('org', 'Acme', 'acme', 'ann')");
    for (const tenant of TENANTS) {
      await this.sql(
        'INSERT INTO tenants (id, org_id, name, default_limits, default_output_tokens) VALUES ($1, $2, $1, $3, $4)',
        [
          tenant,
          'org',
          JSON.stringify(
            Object.entries(limitsOf(tenant)).map(([type, value]) => ({ type, microUnits: String(value) })),
          ),
          outputOf(tenant, null),
        ],
      );
      for (const key of KEYS) {
        await this.sql(
          `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, created_by, default_output_tokens)
           VALUES ($1::text, $2, 'SECRET', 'k', 'sk_', sha256(convert_to($1::text, 'UTF8')), 1, 'ann', $3)`,
          [idOf(tenant, key), tenant, key === 'key:a' ? KEY_OUTPUT : null],
        );
      }
      await this.sql(
        "INSERT INTO webhook_endpoints (id, tenant_id, url, created_by) VALUES ($1, $1, 'https://hooks.invalid/', 'ann')",
        [tenant],
      );
      await this.sql(
        "INSERT INTO webhook_subscriptions (tenant_id, endpoint_id, type) SELECT $1, $1, unnest('{usage.limit_exceeded,usage.threshold_reached}'::text[])",
        [tenant],
      );
    }
    await this.tick();
    await this.newLease();
  }

  private tick(): Promise<unknown> {
    return this.sql("SELECT set_config('test.now', $1, false)", [new Date(this.model.now).toISOString()]);
  }

  /** By another clock than the ledger's, which would have ended it long ago. */
  private async newLease(): Promise<void> {
    this.lease = this.newId();
    this.leases.add(this.lease);
    await this.sql("INSERT INTO process_leases (id, term, renewed_at) VALUES ($1, '100 years', '2020-01-01')", [
      this.lease,
    ]);
  }

  // -------------------------------------------------------------------------------------------------- operations

  async step(step: number): Promise<void> {
    if (this.random() < 0.25) {
      this.model.now += this.pick([SECOND_MS, 20 * SECOND_MS, 600 * SECOND_MS, HOUR_MS, 7 * HOUR_MS, DAY_MS]);
      await this.tick();
    }
    const dice = this.random();
    const what = `step ${step}`;
    if (dice < 0.45) await this.admit(what);
    else if (dice < 0.75) await this.settle();
    else if (dice < 0.79) await this.sweep(what);
    else if (dice < 0.98) await this.set();
    else await this.erase();
    await this.learnIds();
    await this.compareEvents(what);
    if (step % 20 === 0) await this.compareBudgets(what);
  }

  private async admit(what: string): Promise<void> {
    const tenants = this.random() < 0.5 ? [this.pick(TENANTS)] : TENANTS;
    const calls = Array.from({ length: this.pick([1, 1, 2, 3, 8]) }, () => this.newCall(this.pick(tenants)));
    const repeated = this.known.length > 0 && this.random() < 0.1 ? this.pick(this.known) : null;
    if (repeated !== null) calls.push(repeated);
    const expected = this.model.admit(this.lease, calls);
    const [got] = await this.sql<{
      verdicts: string[] | null;
      granted: string[] | null;
      blamed: ({ id: string } | null)[] | null;
    }>('SELECT verdicts, granted, blamed FROM admit_usage($1, $2::text[]::admission[], $3, $4)', [
      this.lease,
      calls.map(admissionText),
      calls.some((call) => this.known.includes(call)),
      this.random() < 0.5,
    ]);
    await this.learnIds();
    calls.forEach((call, index) => {
      const { verdict, granted, blamed } = expected[index]!;
      assert.equal(got!.verdicts?.[index] ?? null, verdict, `${what}, call ${index}: verdict`);
      if (call === repeated) return this.count('repeated');
      assert.equal(got!.granted?.[index] ?? null, granted?.toString() ?? null, `${what}, call ${index}: granted`);
      const told = verdict === 'exceeded' || verdict === 'busy' ? blamed!.id : null;
      if (told !== null) assert.equal(got!.blamed?.[index]?.id ?? null, told, `${what}, call ${index}: blamed`);
      this.count(verdict ?? 'admitted');
      if (verdict === null) this.known.push(call);
    });
    if (this.known.length > 40) this.known = this.known.slice(20);
  }

  private newCall(tenant: string): Call {
    const named = this.random() < 0.5;
    const choices = BigInt(this.pick([1, 1, 1, 3]));
    const priced = this.random() < 0.9;
    return {
      id: this.newId(),
      tenant,
      key: this.random() < 0.6 ? this.pick(KEYS) : null,
      gateway: this.random() < 0.2 ? 'gateway:g' : null,
      human: this.random() < 0.5 ? this.pick(['x', 'y']) : null,
      model: this.pick(MODELS),
      input: BigInt(this.whole(500)),
      output: named ? choices * BigInt(1 + this.whole(3000)) : 90_000n,
      defaultOutput: named ? null : choices * 1365n,
      mostOutput: named || this.random() < 0.3 ? null : choices * 2000n,
      choices,
      boundless: this.random() < 0.05,
      inputPrice: priced ? BigInt(this.whole(4) * 100) : null,
      outputPrice: priced ? BigInt(this.whole(4) * 300) : null,
    };
  }

  private async settle(): Promise<void> {
    const candidates = [...this.model.entries.values()].filter(
      ({ state }) => state !== 'SETTLED' || this.random() < 0.02,
    );
    const batch: { readonly id: string; readonly tenant: string; readonly truth: Truth }[] = [];
    for (let left = this.pick([1, 2, 5, 10]); left > 0 && candidates.length > 0; left -= 1) {
      const [entry] = candidates.splice(this.whole(candidates.length), 1);
      const { call, output, cost } = entry!;
      const beyond = this.random() < 0.05 ? 3n : 1n;
      const nothing = this.random() < 0.1;
      const input = nothing ? 0n : call.input * beyond;
      const made = nothing ? 0n : BigInt(this.whole(Number(output) + 1)) * beyond;
      batch.push({
        id: call.id,
        tenant: call.tenant,
        truth: {
          requests: nothing ? 0n : 1n,
          input,
          output: made,
          cost: cost === null || this.random() < 0.1 ? null : (input + made) * 150n,
        },
      });
    }
    if (batch.length === 0) return;
    const touched = new Set<Budget>();
    for (const { id, truth } of batch) this.model.settle(id, truth, touched);
    this.model.tell(touched);
    const rows = batch.map(({ id, tenant, truth }) =>
      compositeText([id, tenant, 'OK', 200, truth.requests, truth.input, truth.output, 0, truth.cost, false, 12, 0, 0]),
    );
    const [got] = await this.sql<{ again: number[] | null }>(
      'SELECT again FROM settle_usage($1::text[]::settlement[], $2)',
      [rows, this.random() < 0.5],
    );
    assert.deepEqual(got!.again ?? [], []);
    this.count('settled', batch.length);
  }

  private async sweep(what: string): Promise<void> {
    if (this.random() < 0.3) {
      await this.sql('UPDATE process_leases SET ended_at = clock_timestamp() WHERE id = $1', [this.lease]);
      this.ended.add(this.lease);
      await this.newLease();
    }
    const most = this.pick([1, 5, 500]);
    const expected = this.model.sweep(this.ended, most);
    const [got] = await this.sql<{ swept: number }>("SELECT sweep_usage('100 years', '1 day', $1) AS swept", [most]);
    assert.equal(got!.swept, expected, what);
    this.count('swept', expected);
  }

  private async set(): Promise<void> {
    const known = this.model.budgets;
    const named = known.length > 24 || (known.length > 0 && this.random() < 0.6) ? this.pick(known) : this.newBudget();
    const unit =
      named.type === 'request_cnt' ? 8n * MICROS : named.type === 'token_cnt' ? 20_000n * MICROS : 8_000_000n;
    const amount = this.random() < 0.05 ? 0n : (unit * BigInt(1 + this.whole(8))) / 2n;
    const raiseBy = this.random() < 0.2 ? unit : 0n;
    const terms: Terms | null =
      this.random() < 0.07
        ? null
        : {
            amount,
            raiseBy,
            raiseUntil: raiseBy > 0n ? this.model.now + this.pick([60 * SECOND_MS, 2 * HOUR_MS, 3 * DAY_MS]) : null,
            alertAt: this.pick([[80], [80], [50, 90, 100], []]),
          };
    const { tenant, type, period, zone, models } = named;
    await this.sql("SELECT set_config('app.tenant_id', $1, false)", [tenant]);
    await this.sql('SELECT set_budget($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
      this.holderOf(named),
      type,
      period,
      zone,
      models,
      terms?.amount ?? null,
      raiseBy,
      typeof terms?.raiseUntil === 'number' ? new Date(terms.raiseUntil).toISOString() : null,
      terms?.alertAt ?? [80],
    ]);
    this.count(terms === null ? 'removed' : this.model.find(named) === undefined ? 'set' : 'set again');
    this.model.set(named, terms);
  }

  private newBudget(): Named {
    const tenant = this.pick(TENANTS);
    const human = this.pick(['x', 'y']);
    const holders = ['tenant', ...KEYS, 'gateway:g', ...(this.model.isKnown(tenant, human) ? ['human'] : [])];
    const holder = this.pick(holders);
    return {
      tenant,
      holder: holder === 'human' ? this.model.humanOf(tenant, human) : holder,
      type: this.pick(TYPES),
      period: this.pick(PERIODS),
      zone: this.pick(ZONES),
      models: this.random() < 0.2 ? ['claude', 'gpt'] : null,
    };
  }

  private async erase(): Promise<void> {
    const [tenant, human] = [this.pick(TENANTS), this.pick(['x', 'y'])];
    await this.sql('DELETE FROM humans WHERE tenant_id = $1 AND human = $2', [tenant, human]);
    this.model.erase(tenant, human);
    this.count('erased');
  }

  // -------------------------------------------------------------------------------------------------- comparison

  /** The holder in the database's names. */
  private holderOf({ tenant, holder }: Named): string {
    if (holder.startsWith('key:')) return `key:${idOf(tenant, holder)}`;
    return holder.startsWith('human:') ? `human:${this.humanIds.get(`${tenant} ${holder}`)}` : holder;
  }

  /** The database gives humans and budgets their ids. */
  private async learnIds(): Promise<void> {
    const nameless = this.model.budgets.some(({ id }) => id === '');
    const unknown = TENANTS.flatMap((tenant) => ['x', 'y'].map((human) => [tenant, human] as const))
      .filter(([tenant, human]) => this.model.isKnown(tenant, human))
      .filter(([tenant, human]) => !this.humanIds.has(`${tenant} ${this.model.humanOf(tenant, human)}`));
    for (const [tenant, human] of unknown) {
      const [row] = await this.sql<{ id: string }>('SELECT id FROM humans WHERE tenant_id = $1 AND human = $2', [
        tenant,
        human,
      ]);
      this.humanIds.set(`${tenant} ${this.model.humanOf(tenant, human)}`, row!.id);
    }
    if (!nameless) return;
    const rows = await this.sql<{ id: string; key: string }>(
      "SELECT id, concat_ws(' ', tenant_id, holder, type, period, time_zone, models) AS key FROM budgets",
    );
    const ids = new Map(rows.map(({ id, key }) => [key, id]));
    for (const budget of this.model.budgets) {
      const { tenant, type, period, zone, models } = budget;
      const key = [
        tenant,
        this.holderOf(budget),
        type,
        period,
        zone,
        ...(models === null ? [] : [`{${models.join()}}`]),
      ].join(' ');
      if (budget.id === '') budget.id = ids.get(key) ?? '';
    }
  }

  private async compareEvents(what: string): Promise<void> {
    const rows = await this.sql<{ tenant_id: string; payload: Record<string, string | number> }>(
      'DELETE FROM webhook_events RETURNING tenant_id, payload',
    );
    const told = rows.map(({ payload: { holder, holder_id: id, type, period, percent, limit, used } }) =>
      [id === undefined ? holder : `${holder}:${id}`, type, period, percent, micros(limit!), micros(used!)].join(' '),
    );
    const expected = this.model.events.map((event) => {
      const [holder, ...rest] = event.split(' ');
      const names = TENANTS.map((tenant) => [this.holderOf({ tenant, holder: holder! } as Named), ...rest].join(' '));
      return names.find((name) => told.includes(name)) ?? names.join(' or ');
    });
    assert.deepEqual(told.sort(), expected.sort(), `${what}: webhooks`);
    this.count('events', told.length);
    this.model.events = [];
  }

  async compareBudgets(what: string): Promise<void> {
    const rows = await this.sql<Record<string, string | number | boolean | null | Record<string, string>>>(
      `SELECT b.id, b.epoch, b.used::text, b.held::text, b.told, b.exceeded_told, b.amount::text,
              extract(epoch FROM b.starts_at) * 1000 AS starts, CASE WHEN b.ends_at < 'infinity' THEN extract(epoch FROM b.ends_at) * 1000 END AS ends,
              (SELECT coalesce(jsonb_object_agg(e.epoch, e.used || ' ' || e.held), '{}') FROM budget_epochs e WHERE e.budget_id = b.id) AS past
       FROM budgets b`,
    );
    const got = new Map(
      rows.map((row) => [
        row['id'] as string,
        [
          row['epoch'],
          row['used'],
          row['held'],
          row['told'],
          row['exceeded_told'],
          row['amount'],
          Number(row['starts']),
          row['ends'] === null ? Infinity : Number(row['ends']),
          row['past'],
        ],
      ]),
    );
    assert.equal(got.size, this.model.budgets.length, `${what}: budgets`);
    for (const one of this.model.budgets) {
      const past = Object.fromEntries([...one.past].map(([epoch, { used, held }]) => [epoch, `${used} ${held}`]));
      assert.deepEqual(
        got.get(one.id),
        [
          one.epoch,
          `${one.used}`,
          `${one.held}`,
          one.told,
          one.exceededTold,
          `${one.terms.amount}`,
          one.start,
          one.end,
          past,
        ],
        `${what}: ${one.tenant} ${one.holder} ${one.type} ${one.period}`,
      );
    }
  }

  /** The used and held amounts of a budget's epochs equal the ledger's calls that they admitted, corrections included. */
  async compareLedger(): Promise<void> {
    const [ledger] = await this.sql<{ epochs: number; wrong: number }>(`
      WITH told AS (
        SELECT u.id, u.epoch,
          sum(CASE b.type WHEN 'request_cnt' THEN 1000000 WHEN 'token_cnt' THEN (r.reserved_input_tokens + r.reserved_output_tokens) * 1000000
              ELSE coalesce(r.reserved_cost_pico_usd, 0) END) FILTER (WHERE r.state = 'RESERVED') AS held
        FROM usage_records r, unnest(r.budget_ids, r.budget_epochs) AS u (id, epoch) JOIN budgets b ON b.id = u.id GROUP BY 1, 2),
      kept AS (SELECT id, epoch, held FROM budgets UNION ALL SELECT budget_id, epoch, held FROM budget_epochs)
      SELECT count(*)::int AS epochs, count(*) FILTER (WHERE coalesce(t.held, 0) <> coalesce(k.held, 0))::int AS wrong
      FROM kept k FULL JOIN told t USING (id, epoch)`);
    assert.equal(ledger!.wrong, 0, 'epochs that hold something else than the ledger says');
    this.count('epochs', ledger!.epochs);
  }
}

function idOf(tenant: string, key: string): string {
  return `${key.slice('key:'.length)}-of-${tenant}`;
}

function admissionText(call: Call): string {
  return compositeText([
    call.id,
    call.tenant,
    call.human,
    call.key === null ? null : idOf(call.tenant, call.key),
    null,
    call.gateway?.slice('gateway:'.length) ?? null,
    null,
    'req',
    'openai',
    call.model,
    false,
    call.input,
    call.output,
    call.defaultOutput,
    call.mostOutput,
    call.choices,
    call.boundless,
    call.inputPrice,
    call.outputPrice,
    null,
    null,
    null,
    'chat',
    null,
    1,
    false,
  ]);
}

/** Exact, for a number in JSON. */
function micros(units: string | number): bigint {
  const [whole = '', fraction = ''] = String(units).split('.');
  return BigInt(whole + fraction.padEnd(6, '0'));
}
