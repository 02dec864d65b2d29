/**
 * How budgets should behave, implemented as simply as possible: one operation after the other, in memory. Amounts are in
 * millionths, times in milliseconds.
 */
import { periodOf } from './budget-calendar.js';

export const MICROS = 1_000_000n;

export type Type = 'request_cnt' | 'token_cnt' | 'cost_micros';
type Verdict = 'exceeded' | 'busy' | 'boundless' | 'unpriced';

/** The budget's holder: one of a tenant's names. */
export interface Named {
  readonly tenant: string;
  readonly holder: string;
  readonly type: Type;
  readonly period: string;
  readonly zone: string;
  readonly models: readonly string[] | null;
}

export interface Terms {
  readonly amount: bigint;
  readonly raiseBy: bigint;
  readonly raiseUntil: number | null;
  readonly alertAt: readonly number[];
}

interface Epoch {
  used: bigint;
  held: bigint;
}

export interface Budget extends Named, Epoch {
  /** The database's id; empty before it is known. */
  id: string;
  terms: Terms;
  epoch: number;
  start: number;
  end: number;
  told: number;
  exceededTold: boolean;
  readonly past: Map<number, Epoch>;
}

export interface Call {
  readonly id: string;
  readonly tenant: string;
  /** `key:…`, `gateway:…`, or null. */
  readonly key: string | null;
  readonly gateway: string | null;
  readonly human: string | null;
  readonly model: string;
  readonly input: bigint;
  readonly output: bigint;
  readonly defaultOutput: bigint | null;
  readonly mostOutput: bigint | null;
  readonly choices: bigint;
  readonly boundless: boolean;
  readonly inputPrice: bigint | null;
  readonly outputPrice: bigint | null;
}

export interface Truth {
  readonly requests: bigint;
  readonly input: bigint;
  readonly output: bigint;
  readonly cost: bigint | null;
}

interface Amounts {
  readonly requests: bigint;
  readonly tokens: bigint;
  readonly cost: bigint;
}

interface Entry {
  readonly call: Call;
  readonly lease: string;
  readonly at: number;
  readonly output: bigint;
  readonly cost: bigint | null;
  readonly holds: { readonly budget: Budget; readonly epoch: number }[];
  /** Its human, as the holder was then: a human who comes again after an erasure is another. */
  readonly human: string | null;
  state: 'RESERVED' | 'SETTLED' | 'SWEPT';
  corrected: boolean;
  /** The usage according to the ledger, including a correction. */
  used: Amounts;
}

export interface Result {
  readonly verdict: Verdict | null;
  readonly granted: bigint | null;
  readonly blamed: Budget | null;
}

const NOTHING: Amounts = { requests: 0n, tokens: 0n, cost: 0n };
const least = (one: bigint, other: bigint | null): bigint => (other === null || one < other ? one : other);

export class BudgetModel {
  now = Date.UTC(2026, 2, 27, 20); // In a day Europe's clocks change.
  readonly budgets: Budget[] = [];
  readonly entries = new Map<string, Entry>();
  /** The webhooks' events since the last look. */
  events: string[] = [];
  private readonly humans = new Map<string, string>();
  private humansMade = 0;

  /**
   * @param limitsOf the limits that a tenant gives a new human
   * @param outputOf the output limit of a key or its tenant for a call that names none
   */
  constructor(
    private readonly limitsOf: (tenant: string) => Readonly<Partial<Record<Type, bigint>>>,
    private readonly outputOf: (tenant: string, key: string | null) => bigint | null,
  ) {}

  /** The holder for a human. */
  humanOf(tenant: string, name: string): string {
    const key = `${tenant} ${name}`;
    const known = this.humans.get(key);
    if (known !== undefined) return known;
    this.humansMade += 1;
    const holder = `human:${name}#${this.humansMade}`;
    this.humans.set(key, holder);
    for (const [type, amount] of Object.entries(this.limitsOf(tenant))) {
      const named: Named = { tenant, holder, type: type as Type, period: 'NONE', zone: 'UTC', models: null };
      this.make(named, { amount, raiseBy: 0n, raiseUntil: null, alertAt: [80] });
    }
    return holder;
  }

  isKnown(tenant: string, name: string): boolean {
    return this.humans.has(`${tenant} ${name}`);
  }

  erase(tenant: string, name: string): void {
    const holder = this.humans.get(`${tenant} ${name}`);
    this.humans.delete(`${tenant} ${name}`);
    for (const budget of this.budgets.filter((one) => one.tenant === tenant && one.holder === holder))
      this.remove(budget);
  }

  find(named: Named): Budget | undefined {
    return this.budgets.find((one) => keyOf(one) === keyOf(named));
  }

  set(named: Named, terms: Terms | null): void {
    const known = this.find(named);
    if (terms === null) {
      if (known !== undefined) this.remove(known);
      return;
    }
    if (known === undefined) {
      const made = this.make(named, terms);
      if (named.period !== 'NONE') this.countUsed(made);
      return;
    }
    if (known.period === 'NONE' || known.end <= this.now) this.endEpoch(known);
    known.terms = terms;
    known.told = 0;
    known.exceededTold = false;
  }

  admit(lease: string, calls: readonly Call[]): Result[] {
    const humans = calls.map(({ tenant, human }) => (human === null ? null : this.humanOf(tenant, human)));
    calls.forEach((call, index) => {
      for (const budget of this.budgetsOf(call, humans[index]!)) if (budget.end <= this.now) this.endEpoch(budget);
    });
    return calls.map((call, index) => this.judge(lease, call, humans[index]!));
  }

  settle(id: string, truth: Truth, touched: Set<Budget>): void {
    const entry = this.entries.get(id);
    if (entry === undefined || entry.state === 'SETTLED' || entry.corrected) return;
    const now: Amounts = {
      requests: truth.requests,
      tokens: truth.input + truth.output,
      cost: truth.cost ?? entry.cost ?? 0n,
    };
    if (entry.state === 'RESERVED') {
      this.charge(entry, boundOf(entry), now, touched);
      entry.state = 'SETTLED';
      entry.used = now;
    } else {
      const cost = truth.cost === null || entry.cost === null ? entry.used.cost : truth.cost;
      const corrected = { ...now, cost };
      this.charge(entry, NOTHING, minus(corrected, entry.used), touched);
      entry.corrected = true;
      entry.used = corrected;
    }
  }

  /** Charges open calls of a lease that ended, those with the smallest ids first. @returns how many */
  sweep(leases: ReadonlySet<string>, most: number): number {
    const touched = new Set<Budget>();
    const open = [...this.entries.values()]
      .filter(({ state, lease }) => state === 'RESERVED' && leases.has(lease))
      .sort((one, other) => (one.call.id < other.call.id ? -1 : 1))
      .slice(0, most);
    for (const entry of open) {
      entry.used = boundOf(entry);
      this.charge(entry, entry.used, entry.used, touched);
      entry.state = 'SWEPT';
    }
    this.tell(touched);
    return open.length;
  }

  /** The alert marks that a statement's charges crossed, each once. */
  tell(touched: ReadonlySet<Budget>): void {
    for (const budget of touched) {
      const reached = budget.terms.alertAt.filter((mark) => budget.used * 100n >= this.allowed(budget) * BigInt(mark));
      for (const mark of reached) if (mark > budget.told) this.event(budget, mark);
      budget.told = Math.max(budget.told, ...reached);
    }
  }

  allowed({ terms }: Budget): bigint {
    return terms.amount + (terms.raiseUntil !== null && terms.raiseUntil > this.now ? terms.raiseBy : 0n);
  }

  private make(named: Named, terms: Terms): Budget {
    const [start, end] = periodOf(named.period, named.zone, this.now);
    const counts = { epoch: 1, used: 0n, held: 0n, told: 0, exceededTold: false, past: new Map<number, Epoch>() };
    const made: Budget = { ...named, ...counts, id: '', terms, start, end };
    this.budgets.push(made);
    return made;
  }

  private remove(budget: Budget): void {
    this.budgets.splice(this.budgets.indexOf(budget), 1);
  }

  private endEpoch(budget: Budget): void {
    budget.past.set(budget.epoch, { used: budget.used, held: budget.held });
    const [start, end] = periodOf(budget.period, budget.zone, this.now);
    Object.assign(budget, { epoch: budget.epoch + 1, used: 0n, held: 0n, told: 0, exceededTold: false, start, end });
  }

  /** Within a period it begins with the ledger's usage of the period; open calls settle into it. */
  private countUsed(budget: Budget): void {
    for (const entry of this.entries.values()) {
      if (entry.at < budget.start || !holdersOf(entry.call, entry.human).includes(budget.holder)) continue;
      if (entry.call.tenant !== budget.tenant || !countsModel(budget, entry.call.model)) continue;
      if (entry.state === 'RESERVED') {
        entry.holds.push({ budget, epoch: budget.epoch });
        budget.held += amountOf(budget, boundOf(entry));
      } else budget.used += amountOf(budget, entry.used);
    }
  }

  private budgetsOf(call: Call, human: string | null): Budget[] {
    const holders = holdersOf(call, human);
    const order = ({ holder, type, id }: Budget): string => `${holders.indexOf(holder)} ${type} ${id}`;
    return this.budgets
      .filter((one) => one.tenant === call.tenant && holders.includes(one.holder) && countsModel(one, call.model))
      .sort((one, other) => (order(one) < order(other) ? -1 : 1));
  }

  private judge(lease: string, call: Call, human: string | null): Result {
    const known = this.entries.get(call.id);
    if (known !== undefined) return { verdict: null, granted: null, blamed: null };
    const own = this.budgetsOf(call, human);
    let output = this.wantedOutput(call);
    let bounded = false;
    for (const budget of own) {
      const left = this.allowed(budget) - budget.used;
      let verdict: Verdict | null = null;
      if (budget.type === 'request_cnt') {
        if (left < MICROS) verdict = 'exceeded';
      } else {
        bounded = true;
        if (call.boundless) verdict = 'boundless';
        else if (budget.type === 'cost_micros' && (call.inputPrice === null || call.outputPrice === null))
          verdict = 'unpriced';
        else {
          const room = roomIn(budget, call, left, output);
          if (room < output) output = room - (room % call.choices);
          if (room < 0n || output < call.choices) verdict = 'exceeded';
        }
      }
      if (verdict === null) continue;
      if (verdict === 'exceeded' && !budget.exceededTold) {
        budget.exceededTold = true;
        this.event(budget, null);
      }
      return { verdict, granted: null, blamed: budget };
    }
    const costOf = (tokens: bigint): bigint | null =>
      call.inputPrice === null || call.outputPrice === null
        ? null
        : call.input * call.inputPrice + tokens * call.outputPrice;
    const reserved = bounded ? output : call.output;
    const entry: Entry = {
      call,
      lease,
      at: this.now,
      output: reserved,
      cost: costOf(reserved),
      holds: own.map((budget) => ({ budget, epoch: budget.epoch })),
      human,
      state: 'RESERVED',
      corrected: false,
      used: NOTHING,
    };
    const need = boundOf(entry);
    const busy = own.find((budget) => budget.used + budget.held + amountOf(budget, need) > this.allowed(budget));
    if (busy !== undefined) return { verdict: 'busy', granted: null, blamed: busy };
    for (const budget of own) budget.held += amountOf(budget, need);
    this.entries.set(call.id, entry);
    return { verdict: null, granted: bounded ? output : null, blamed: null };
  }

  private wantedOutput({ tenant, key, output, defaultOutput, mostOutput, choices }: Call): bigint {
    if (defaultOutput === null) return output;
    const own = this.outputOf(tenant, key);
    return least(own === null ? defaultOutput : own * choices, mostOutput);
  }

  private charge({ holds }: Entry, before: Amounts, after: Amounts, touched: Set<Budget>): void {
    for (const { budget, epoch } of holds) {
      if (!this.budgets.includes(budget)) continue;
      const target = budget.epoch === epoch ? budget : budget.past.get(epoch)!;
      target.held -= amountOf(budget, before);
      target.used += amountOf(budget, after);
      if (target === budget) touched.add(budget);
    }
  }

  private event(budget: Budget, percent: number | null): void {
    this.events.push([budget.holder, budget.type, budget.period, percent, this.allowed(budget), budget.used].join(' '));
  }
}

/** The tokens that are left for the answer; below 0: not even enough for the prompt. */
function roomIn({ type }: Budget, call: Call, left: bigint, output: bigint): bigint {
  if (type === 'token_cnt') return (left < 0n ? -(-left / MICROS) : left / MICROS) - call.input;
  if (left <= 0n) return -1n;
  const afterPrompt = left - call.input * call.inputPrice!;
  if (afterPrompt < 0n) return -1n;
  return call.outputPrice === 0n ? output : afterPrompt / call.outputPrice!;
}

function countsModel({ models }: Named, model: string): boolean {
  return models === null || models.includes(model);
}

/** In the order in which a refusal names them. */
function holdersOf({ key, gateway }: Call, human: string | null): string[] {
  return ['tenant', key, gateway, human].filter((holder) => holder !== null);
}

function boundOf({ call, output, cost }: Entry): Amounts {
  return { requests: 1n, tokens: call.input + output, cost: cost ?? 0n };
}

function minus(one: Amounts, other: Amounts): Amounts {
  return { requests: one.requests - other.requests, tokens: one.tokens - other.tokens, cost: one.cost - other.cost };
}

function amountOf({ type }: Pick<Named, 'type'>, { requests, tokens, cost }: Amounts): bigint {
  if (type === 'request_cnt') return requests * MICROS;
  return type === 'token_cnt' ? tokens * MICROS : cost;
}

function keyOf({ tenant, holder, type, period, zone, models }: Named): string {
  return JSON.stringify([tenant, holder, type, period, zone, models]);
}
