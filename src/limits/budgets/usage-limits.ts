import { z } from 'zod';
import { double, integer } from '../../platform/protojson/index.js';

/** The types by which a human's usage may be limited. */
export const LIMIT_TYPES = [
  'conversational_seconds',
  'voice_synthesis_seconds',
  'token_cnt',
  'memory_message_cnt',
  'request_cnt',
  'cost_micros',
] as const;
export type LimitType = (typeof LIMIT_TYPES)[number];

/** A limit, as stored: in exact millionths, as the decimal digits of an integer. */
export interface StoredLimit {
  readonly type: LimitType;
  readonly microUnits: string;
}

/** The output of a call under a budget whose caller names no output limit. */
export const defaultOutputTokens = integer(0, 1_000_000);

const DECIMALS = 6;
/** In millionths it still fits a bigint of Postgres. */
const MAX_VALUE = 9_000_000_000_000;
/** A double keeps so many significant digits unchanged, in both directions. */
const MAX_DIGITS = 15;
const NOT_EXACT = `must have at most ${DECIMALS} decimals and ${MAX_DIGITS} digits in all`;

const exactly = (units: number, context: z.RefinementCtx): string => {
  const micros = microUnitsOf(units);
  if (micros !== null) return micros;
  context.addIssue(NOT_EXACT);
  return z.NEVER;
};

/** A number from 0 on, as the exact digits of its millionths; a number that is not exact in a double is refused. */
export const exactAmount = (max: number): z.ZodType<string> =>
  double(0, max)
    .transform(exactly)
    .meta({ type: 'number', description: `At most ${DECIMALS} decimals.` });

const value = exactAmount(MAX_VALUE).meta({ type: 'number', description: `At most ${DECIMALS} decimals; 0 blocks.` });

/** A new value in plain JSON, where numbers are numbers; null removes the limit. */
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

/** Sets the named limits to absolute values; the others stay. A repeated type is a fault at its place. */
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

/** @param stored from the database */
export function viewLimits(stored: unknown): z.output<typeof usageLimitView>[] {
  return ((stored ?? []) as StoredLimit[]).map(({ type, microUnits }) => ({ type, value: unitsOf(microUnits) }));
}

/** Exact, from the digits of the number's text; null: it has too many digits to be exact. */
function microUnitsOf(units: number): string | null {
  const [, whole = '', fraction = ''] = /^(\d+)(?:\.(\d+))?$/.exec(String(units)) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  if (whole === '' || fraction.length > DECIMALS || digits.replace(/0+$/, '').length > MAX_DIGITS) return null;
  return BigInt(whole + fraction.padEnd(DECIMALS, '0')).toString();
}

/** For display: exact up to 15 digits. */
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
