import { z } from 'zod';

/**
 * The field types of the platform surface. Each reads every form that Protocol Buffers' JSON mapping accepts for it; the
 * `format…` functions write the one form that the mapping emits.
 */

const REQUIRED = 'is required';

function orRequired(reason: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) => (input === undefined ? REQUIRED : reason);
}

type Read<T> = (value: unknown, refuse: (reason: string) => never) => T;

/** Accepts any JSON value, so that each type itself says what is wrong, in one reason. */
function scalar<T>(read: Read<T>, openApi: z.core.JSONSchemaMeta): z.ZodType<T> {
  return z
    .unknown()
    .transform((value, context): T => {
      const refuse = (reason: string): never => {
        context.addIssue(reason);
        return z.NEVER;
      };
      return value === undefined ? refuse(REQUIRED) : read(value, refuse);
    })
    .meta(openApi);
}

/**
 * Why a text can't be stored: Postgres stores no U+0000, and UTF-8 has no lone surrogates. The mapping would accept
 * U+0000; our contract does not.
 */
export function whyNotStorable(value: string): string | null {
  if (value.includes('\u0000')) return 'must not contain U+0000';
  return value.isWellFormed() ? null : 'must not contain a lone surrogate';
}

/** Text that can be stored; lengths count Unicode code points. */
export const text = (min: number, max: number): z.ZodType<string> => {
  const wrongLength = min === 0 ? `must have at most ${max} characters` : `must have ${min} to ${max} characters`;
  const whyNot = (value: string): string | null => {
    // A code point is at most two units: a text of more than twice the units is too long without counting.
    if (value.length > max * 2) return wrongLength;
    const reason = whyNotStorable(value);
    if (reason !== null) return reason;
    // To count a text of a million takes tens of milliseconds.
    if (value.length >= min * 2 && value.length <= max) return null;
    const { length } = [...value];
    return length >= min && length <= max ? null : wrongLength;
  };
  return z
    .string({ error: orRequired('must be a string') })
    .superRefine((value, context) => {
      const reason = whyNot(value);
      if (reason !== null) context.addIssue(reason);
    })
    .meta({ ...(min === 0 ? {} : { minLength: min }), maxLength: max });
};

/** Only the two literals: the mapping accepts neither 0 and 1 nor strings. */
export const boolean: z.ZodType<boolean> = z.boolean({ error: orRequired('must be true or false') });

/** A number in a string follows JSON's own syntax: no `+`, no leading zero, no blank, not empty. */
const NUMBER = /^(?<sign>-?)(?<whole>0|[1-9]\d*)(?:\.(?<fraction>\d+))?(?:[eE](?<exponent>[+-]?\d+))?$/;
/** No client writes a longer double or int64. */
const MAX_NUMBER_LENGTH = 100;
const INT64_DIGITS = 19;

/** The exact whole number of a literal; null: it is not whole, or has too many digits for an int64. */
export function wholeNumber(literal: string): bigint | null {
  const parts = literal.length > MAX_NUMBER_LENGTH ? undefined : NUMBER.exec(literal)?.groups;
  if (parts === undefined) return null;
  const { sign = '', whole = '', fraction = '', exponent = '0' } = parts;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  if (digits === '') return 0n;
  const significant = digits.replace(/0+$/, '');
  // Counts the digits before it raises to a power, since the caller chooses the exponent: "1e536870000".
  const zeros = digits.length - significant.length - fraction.length + Number(exponent);
  if (zeros < 0 || significant.length + zeros > INT64_DIGITS) return null;
  return BigInt(sign + significant) * 10n ** BigInt(zeros);
}

/** int32 and narrower: a JSON number, or the same in a string; `1e5` and `1.0` are whole. */
export const integer = (min: number, max: number): z.ZodType<number> => {
  if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max)) throw new TypeError('Beyond 2^53, use int64.');
  const reason = `must be a whole number from ${min} to ${max}`;
  return scalar(
    (value, refuse) => {
      const whole = typeof value === 'string' ? wholeNumber(value) : value;
      const number = typeof whole === 'bigint' ? Number(whole) : whole;
      if (typeof number !== 'number' || !Number.isInteger(number) || number < min || number > max)
        return refuse(reason);
      return number + 0; // -0 is 0
    },
    { type: 'integer', minimum: min, maximum: max },
  );
};

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Marks int64 fields for the reader, which alone sees a number's literal; clones of a schema keep the mark. */
export const INT64_FIELDS = z.registry<{ readonly int64: true }>();

/**
 * int64: a decimal string, exact to the last digit, or a JSON number. JSON.parse rounds numbers beyond 2^53: the reader
 * gives a bigint where a double holds the literal exactly, and any other is refused. (The mapping would round it, which
 * the sender can't have meant.)
 */
export const int64 = (min: bigint = INT64_MIN, max: bigint = INT64_MAX): z.ZodType<bigint> => {
  if (min < INT64_MIN || max > INT64_MAX) throw new TypeError('An int64 has 64 bits.');
  const reason = `must be a whole number from ${min} to ${max}`;
  const schema = scalar(
    (value, refuse) => {
      let whole: bigint | null = null;
      if (typeof value === 'bigint') whole = value;
      else if (typeof value === 'string') whole = wholeNumber(value);
      else if (typeof value === 'number' && Number.isInteger(value)) whole = BigInt(value);
      if (whole === null || whole < min || whole > max) return refuse(reason);
      if (typeof value === 'number' && !Number.isSafeInteger(value))
        return refuse('must be a string at this size: JSON readers round such numbers');
      return whole;
    },
    { type: 'string', format: 'int64' },
  );
  INT64_FIELDS.add(schema, { int64: true });
  return schema;
};

/** An int64 as the mapping writes it: a decimal string. */
export function formatInt64(value: bigint): string {
  if (value < INT64_MIN || value > INT64_MAX) throw new RangeError('An int64 has 64 bits.');
  return value.toString();
}

/** A finite number, or the same in a string. The mapping's "NaN" and "Infinity" have no meaning in our fields. */
export const double = (min: number, max: number): z.ZodType<number> => {
  const reason = `must be a finite number from ${min} to ${max}`;
  return scalar(
    (value, refuse) => {
      const numeric = typeof value === 'string' && value.length <= MAX_NUMBER_LENGTH && NUMBER.test(value);
      const number = numeric ? Number(value) : value;
      return typeof number === 'number' && Number.isFinite(number) && number >= min && number <= max
        ? number
        : refuse(reason);
    },
    { type: 'number', format: 'double', minimum: min, maximum: max },
  );
};

/**
 * An enum: read from its name or its number, written as its name. Proto3 keeps unknown numbers; they are refused here, since
 * the service could not act on them.
 *
 * @param numbers absent: their places in the list, from 0; where names share a number, the first is read
 */
export const enumeration = <const Names extends readonly [string, ...string[]]>(
  names: Names,
  numbers?: Readonly<Record<Names[number], number>>,
): z.ZodType<Names[number]> => {
  const byNumber = new Map<number, Names[number]>();
  const byName = new Map<string, Names[number]>();
  names.forEach((name: Names[number], place) => {
    const number = numbers?.[name] ?? place;
    const first = byNumber.get(number) ?? name;
    byNumber.set(number, first);
    byName.set(name, first);
  });
  const reason = `must be one of ${names.join(', ')}`;
  return scalar(
    (value, refuse) => {
      const name = typeof value === 'number' ? byNumber.get(value) : byName.get(value as string);
      return name ?? refuse(reason);
    },
    { type: 'string', enum: [...names] },
  );
};

const TIMESTAMP =
  /^\d{4}-(?:0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const NOT_A_TIMESTAMP = 'must be an RFC 3339 timestamp, like 2030-01-31T12:00:00Z';

/**
 * RFC 3339 by the mapping's strict reading: any offset, no lower-case `t` or `z`, and no leap second, as every minute has 60
 * seconds. Years 0001 to 9999, in UTC. The result is a Date, cut to milliseconds.
 */
export const timestamp: z.ZodType<Date> = scalar(
  (value, refuse) => {
    const day = typeof value === 'string' ? TIMESTAMP.exec(value)?.[1] : undefined;
    if (typeof value !== 'string' || day === undefined) return refuse(NOT_A_TIMESTAMP);
    const date = new Date(value);
    // Date turns 30 February into a day of March; RFC 3339 has no such day.
    const rolled = new Date(`${value.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(day);
    return !rolled && hasYear(date) ? date : refuse(NOT_A_TIMESTAMP);
  },
  { type: 'string', format: 'date-time' },
);

function hasYear(date: Date): boolean {
  const year = date.getUTCFullYear();
  return year >= 1 && year <= 9999;
}

/** An RFC 3339 timestamp in UTC, as every answer writes it: with milliseconds. */
export function formatTimestamp(date: Date): string {
  if (!hasYear(date)) throw new RangeError('A timestamp has a year from 1 to 9999.');
  return date.toISOString();
}
