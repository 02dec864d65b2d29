import { isObject } from '../requests/chat-request.js';

type Fields = Readonly<Record<string, unknown>>;

/** How a dialect's answers report what was used. Packages refuse a whole answer because of one count that is not a number. */
export interface ReportForm {
  /** The same answer, or event of one, with a report that the package takes. */
  mend(answer: Fields): Fields;
  /** Found in the events of a stream that are mended; absent: frames say by their headers whether they report. */
  readonly marks?: RegExp;
}

/** Passes a package's check; whatever is added to it, `readUsage` does not believe the sum. */
const UNKNOWN = -1e12;
const DIGITS = /^\d{1,15}$/;
/** Of Anthropic: what each step of an answer used. */
const STEPS = 'iterations';
const STEP_COUNTS = ['input_tokens', 'output_tokens'];
const NAME_OF_COUNT = /tokens?(?:Count)?$/i;

/**
 * The counts of a report of what was used. Digits in a string are a number; any other value is not a count, so that what the
 * answer says is counted instead. Nothing else in a report is read, and packages refuse answers because of it.
 *
 * @param required names of counts without which a package refuses the answer
 */
export function plainCounts(report: unknown, required: readonly string[] = []): Fields {
  const plain: Record<string, unknown> = Object.fromEntries(required.map((name) => [name, UNKNOWN]));
  for (const [name, value] of Object.entries(isObject(report) ? report : {})) {
    if (NAME_OF_COUNT.test(name)) {
      if (value !== null) plain[name] = countIn(value);
    } else if (name === STEPS && Array.isArray(value) && value.every(isObject)) {
      plain[name] = value.map((step) => ({ ...step, ...plainCounts(step, STEP_COUNTS) }));
    } else if (isObject(value)) plain[name] = plainCounts(value);
  }
  return plain;
}

function countIn(value: unknown): number {
  const count = typeof value === 'string' && DIGITS.test(value) ? Number(value) : value;
  return typeof count === 'number' && Number.isFinite(count) ? count : UNKNOWN;
}
