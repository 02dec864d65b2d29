/**
 * How the ledger should behave, implemented as simply as possible: humans with limits, and calls that are reserved, settled and
 * swept, one after the other, in memory. Amounts are in micro-units.
 */
import { COUNTED, UNIT, type CountedType, type LimitValues } from './proof-limits.js';

interface Price {
  readonly inputPicoUsd: bigint;
  readonly outputPicoUsd: bigint;
}

/** A call's request. */
export interface Asked {
  readonly human: string | null;
  /** The call's key, which may have limits of its own for new humans. */
  readonly keyId: string;
  readonly input: number;
  readonly output: number;
  readonly choices: number;
  readonly isBoundless: boolean;
  readonly price: Price | null;
}

/** A call's real usage. */
export interface Truth {
  readonly input: number;
  readonly output: number;
  readonly cost: bigint | null;
  readonly isCounted: boolean;
}

/** The ledger's answer to a reservation: the granted output, or the reason of a refusal. */
export type Answer = `${number} of output, limited` | `${number} of output` | `refused: ${string}`;

interface Limit {
  /** The value that was set last; null: unlimited. */
  value: bigint | null;
  left: bigint | null;
  reserved: bigint;
  epoch: bigint;
  /** A call of this epoch used more than it had reserved. */
  isOverrun: boolean;
}

/** A human who comes again after an erasure is another. */
export type Human = Record<CountedType, Limit>;
type Amounts = Record<CountedType, bigint>;

export class Call {
  state: 'RESERVED' | 'SETTLED' | 'SWEPT' = 'RESERVED';
  isCorrected = false;
  /** The lease of the reservation; known once it is written. */
  leaseId: string | null = null;
  /** The usage in the call's row, including a correction. */
  used: { input: number; output: number; requests: number; cost: bigint | null } = {
    input: 0,
    output: 0,
    requests: 0,
    cost: null,
  };

  constructor(
    readonly asked: Asked,
    readonly human: Human | null,
    readonly granted: number,
    /** The epochs of the limits that judged it. */
    readonly epochs: Readonly<Partial<Amounts>>,
  ) {}

  /** Whether a limit of tokens or cost judged it. */
  get isLimited(): boolean {
    return this.epochs.token_cnt !== undefined || this.epochs.cost_micros !== undefined;
  }

  get reserved(): Amounts {
    return amountsOf(this.asked, this.granted);
  }
}

/** The amounts that a call with this output takes from each limit. */
export function amountsOf({ input, price }: Asked, output: number): Amounts {
  return {
    token_cnt: BigInt(input + output) * UNIT,
    request_cnt: UNIT,
    cost_micros: price === null ? 0n : BigInt(input) * price.inputPicoUsd + BigInt(output) * price.outputPicoUsd,
  };
}

export class LedgerModel {
  readonly humans = new Map<string, Human>();
  readonly calls = new Map<string, Call>();

  /** @param defaults of a human whose first call uses that key */
  constructor(private readonly defaults: (keyId: string | null) => LimitValues) {}

  /** Judges a new reservation; the caller puts the call among `calls`. */
  reserve(asked: Asked): { readonly answer: Answer; readonly call: Call | null } {
    const human = this.humanOf(asked);
    const limitOf = (type: CountedType): Limit | null =>
      human === null || human[type].left === null ? null : human[type];
    // The most output, in equal tokens for each choice, whose bound fits the rest of each limit.
    const fits = (output: number, type: CountedType): boolean => {
      const limit = limitOf(type);
      return limit === null || amountsOf(asked, output)[type] <= limit.left!;
    };
    let granted = asked.output;
    for (const type of ['cost_micros', 'request_cnt', 'token_cnt'] as const) {
      const limit = limitOf(type);
      if (limit === null) continue;
      if (type !== 'request_cnt' && asked.isBoundless) return refusal('boundless');
      if (type === 'cost_micros' && asked.price === null) return refusal('unpriced');
      if (type === 'cost_micros' && limit.left! <= 0n) return refusal(`${type} has too little`);
      if (fits(granted, type)) continue;
      granted -= granted % asked.choices;
      while (granted >= asked.choices && !fits(granted, type)) granted -= asked.choices;
      if (type === 'request_cnt' || granted < asked.choices) return refusal(`${type} has too little`);
    }
    // The call fits the limits, but perhaps not while open calls hold a part of them.
    for (const type of ['cost_micros', 'request_cnt', 'token_cnt'] as const) {
      const limit = limitOf(type);
      if (limit !== null && amountsOf(asked, granted)[type] > roomOf(limit)) return refusal(`${type} has room`);
    }

    const epochs: Partial<Amounts> = {};
    const amounts = amountsOf(asked, granted);
    for (const type of COUNTED) {
      const limit = limitOf(type);
      if (limit === null) continue;
      limit.reserved += amounts[type];
      epochs[type] = limit.epoch;
    }
    const call = new Call(asked, human, granted, epochs);
    return { answer: admission(granted, call.isLimited), call };
  }

  /** A reservation that is already in the ledger takes nothing again. */
  repeat(call: Call): Answer {
    this.humanOf(call.asked);
    return admission(call.granted, call.isLimited);
  }

  settle(call: Call, truth: Truth): void {
    const was = call.used;
    const now = { input: truth.input, output: truth.output, requests: truth.isCounted ? 1 : 0, cost: truth.cost };
    if (call.state === 'RESERVED') {
      call.state = 'SETTLED';
      this.charge(call, now, was, true);
    } else if (call.state === 'SWEPT' && !call.isCorrected) {
      call.isCorrected = true;
      this.charge(call, now, was, false);
    }
  }

  sweep(leaseId: string): void {
    for (const call of this.calls.values()) {
      if (call.leaseId !== leaseId || call.state !== 'RESERVED') continue;
      call.state = 'SWEPT';
      const { price, input } = call.asked;
      const cost = price === null ? null : call.reserved.cost_micros;
      this.charge(call, { input, output: call.granted, requests: 1, cost }, call.used, true);
    }
  }

  set(name: string, values: LimitValues): void {
    const human = this.ensure(name, null);
    for (const type of COUNTED) {
      if (!(type in values)) continue;
      const value = values[type] ?? null;
      human[type] = { value, left: value, reserved: 0n, epoch: human[type].epoch + 1n, isOverrun: false };
    }
  }

  erase(name: string): void {
    this.humans.delete(name);
  }

  private charge(call: Call, now: Call['used'], was: Call['used'], isOpen: boolean): void {
    call.used = now;
    if (call.human === null || ![...this.humans.values()].includes(call.human)) return;
    const { reserved } = call;
    const amounts = (used: Call['used']): Amounts => ({
      token_cnt: BigInt(used.input + used.output) * UNIT,
      request_cnt: BigInt(used.requests) * UNIT,
      cost_micros: used.cost ?? 0n,
    });
    for (const type of COUNTED) {
      const limit = call.human[type];
      if (call.epochs[type] !== limit.epoch) continue;
      limit.left! -= amounts(now)[type] - amounts(was)[type];
      if (isOpen) limit.reserved -= reserved[type];
      if (amounts(now)[type] > reserved[type]) limit.isOverrun = true;
    }
  }

  private humanOf({ human, keyId }: Asked): Human | null {
    return human === null ? null : this.ensure(human, keyId);
  }

  private ensure(name: string, keyId: string | null): Human {
    let human = this.humans.get(name);
    if (human === undefined) {
      const values = this.defaults(keyId);
      const limit = (type: CountedType): Limit => {
        const value = values[type] ?? null;
        return { value, left: value, reserved: 0n, epoch: 0n, isOverrun: false };
      };
      human = { token_cnt: limit('token_cnt'), request_cnt: limit('request_cnt'), cost_micros: limit('cost_micros') };
      this.humans.set(name, human);
    }
    return human;
  }
}

function roomOf({ left, reserved }: Limit): bigint {
  return left! - reserved;
}

function admission(output: number, isLimited: boolean): Answer {
  return isLimited ? `${output} of output, limited` : `${output} of output`;
}

function refusal(reason: string): { readonly answer: Answer; readonly call: null } {
  return { answer: `refused: ${reason}`, call: null };
}
