import { z } from 'zod';
import { double, integer } from '../../platform/protojson/index.js';

/** What the usage of a human may be limited by. */
export const LIMIT_TYPES = [
  'conversational_seconds',
  'voice_synthesis_seconds',
  'token_cnt',
  'memory_message_cnt',
  'request_cnt',
  'cost_micros',
] as const;
export type LimitType = (typeof LIMIT_TYPES)[number];

/** As a limit is stored: in exact millionths, as the decimal digits of an integer. */
export interface StoredLimit {
  readonly type: LimitType;
  readonly microUnits: string;
}

/** The output that a call under a budget is given whose caller names no limit. */
export const defaultOutputTokens = integer(0, 1_000_000);

const DECIMALS = 6;
/** In millionths it is still a bigint of Postgres. */
const MAX_VALUE = 9_000_000_000_000;
/** So many significant digits come through a double unchanged, whichever way they go. */
const MAX_DIGITS = 15;
const NOT_EXACT = `must have at most ${DECIMALS} decimals and ${MAX_DIGITS} digits in all`;

const exactly = (units: number, context: z.RefinementCtx): string => {
  const micros = microUnitsOf(units);
  if (micros !== null) return micros;
  context.addIssue(NOT_EXACT);
  return z.NEVER;
};

/** A number from 0 on, as the exact digits of its millionths; one that can't be told exactly is refused. */
export const exactAmount = (max: number): z.ZodType<string> =>
  double(0, max)
    .transform(exactly)
    .meta({ type: 'number', description: `At most ${DECIMALS} decimals.` });

const value = exactAmount(MAX_VALUE).meta({ type: 'number', description: `At most ${DECIMALS} decimals; 0 blocks.` });

/** As it is set where numbers are numbers alone; null removes the limit. */
const changedValue = z
  .number({
    error: ({ input }) => (input === undefined ? 'is required' : `must be a number from 0 to ${MAX_VALUE}, or null`),
  })
  .refine((units) => units >= 0 && units <= MAX_VALUE, {
    error: `must be a number from 0 to ${MAX_VALUE}, or null`,
    abort: true,
  })
  .transform(exactly)
  .nullable()
  .meta({
    type: 'number',
    description: `What is left; at most ${DECIMALS} decimals; 0 blocks, null removes the limit.`,
  });

const type = z.enum(LIMIT_TYPES, {
  error: ({ input }) => (input === undefined ? 'is required' : `must be one of ${LIMIT_TYPES.join(', ')}`),
});

const limit = z
  .strictObject({ type, value })
  .transform(({ type, value: microUnits }): StoredLimit => ({ type, microUnits }));

export const usageLimits = z
  .array(limit, 'must be a list of limits')
  .max(LIMIT_TYPES.length)
  .refine((limits) => new Set(limits.map(({ type }) => type)).size === limits.length, 'names a type twice');

/** Limits as they are set: those that are named, absolutely; the others stay. A type that stands twice is at fault there. */
export const usageLimitChanges = z
  .array(
    z.strictObject({ type, value: changedValue }).transform(({ type, value: microUnits }) => ({ type, microUnits })),
    'must be a list of limits',
  )
  .superRefine((limits, context) => {
    limits.forEach(({ type }, index) => {
      const first = limits.findIndex((other) => other.type === type);
      if (first < index) context.addIssue({ code: 'custom', path: [index, 'type'], message: 'is named twice' });
    });
  });

export const usageLimitView = z
  .object({ type: z.enum(LIMIT_TYPES), value: z.number() })
  .meta({ 'x-name': 'UsageLimit' });

/** @param stored as the database gives it back */
export function viewLimits(stored: unknown): z.output<typeof usageLimitView>[] {
  return ((stored ?? []) as StoredLimit[]).map(({ type, microUnits }) => ({ type, value: unitsOf(microUnits) }));
}

/** Exact, by the digits that the number is written with; null: there are more than can be told exactly. */
function microUnitsOf(units: number): string | null {
  const [, whole = '', fraction = ''] = /^(\d+)(?:\.(\d+))?$/.exec(String(units)) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  if (whole === '' || fraction.length > DECIMALS || digits.replace(/0+$/, '').length > MAX_DIGITS) return null;
  return BigInt(whole + fraction.padEnd(DECIMALS, '0')).toString();
}

/** For reading: exact up to 15 digits. */
function unitsOf(microUnits: string): number {
  const digits = microUnits.padStart(DECIMALS + 1, '0');
  return Number(`${digits.slice(0, -DECIMALS)}.${digits.slice(-DECIMALS)}`);
}

/** Millionths as units, exactly, without zeros at the end. */
export function decimalOf(millionths: string): string {
  const negative = millionths.startsWith('-');
  const digits = (negative ? millionths.slice(1) : millionths).padStart(DECIMALS + 1, '0');
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, '');
  return `${negative ? '-' : ''}${digits.slice(0, -DECIMALS)}${fraction === '' ? '' : `.${fraction}`}`;
}
