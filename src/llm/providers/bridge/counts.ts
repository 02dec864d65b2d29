import { isObject } from '../requests/chat-request.js';

type Fields = Readonly<Record<string, unknown>>;

/** How a dialect's answers report what was used. Packages refuse a whole answer because of one count that is not a number. */
export interface ReportForm {
  /** The same answer, or event of one, with a report that the package takes. */
  mend(answer: Fields): Fields;
  /** Stand in events that the package refuses without a report. */
  readonly marks: readonly string[];
}

/** Passes a package's check; whatever is added to it, `readUsage` does not believe the sum. */
const UNKNOWN = -1e12;
const DIGITS = /^\d{1,15}$/;
const NAME_OF_COUNT = /tokens?(?:Count)?$/i;

/**
 * A report of what was used, in numbers. Digits in a string are one; any other value is not a count, so that what the answer says
 * is counted instead.
 *
 * @param required names of counts without which a package refuses the answer
 */
export function plainCounts(report: unknown, required: readonly string[] = []): Fields {
  const plain: Record<string, unknown> = Object.fromEntries(required.map((name) => [name, UNKNOWN]));
  for (const [name, value] of Object.entries(isObject(report) ? report : {})) {
    if (Array.isArray(value)) plain[name] = value.map((one: unknown) => (isObject(one) ? plainCounts(one) : one));
    else if (isObject(value) && Object.keys(value).length > 0) plain[name] = plainCounts(value);
    else if (!NAME_OF_COUNT.test(name) || typeof value === 'number') plain[name] = value;
    else if (value !== null) plain[name] = typeof value === 'string' && DIGITS.test(value) ? Number(value) : UNKNOWN;
  }
  return plain;
}
