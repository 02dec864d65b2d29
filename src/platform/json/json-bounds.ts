import { Fault } from '../errors/index.js';
import { parseJson } from './json-text.js';
import { allAtOnce, STEP_LENGTH, type Steps } from './steps.js';
import { wrongField } from './wrong-field.js';

/** How much JSON one body may hold. */
export interface JsonBounds {
  /** Objects, lists, strings, numbers, true, false and null together; names of fields do not count. */
  readonly maxValues: number;
  /** Objects and lists around a value, the outermost one included. */
  readonly maxDepth: number;
}

/** For JSON inside a string of a body, or in a server's answer: the default bounds of a body. */
export const USUAL_BOUNDS: JsonBounds = { maxValues: 250_000, maxDepth: 128 };

const QUOTE = 34;
const BACKSLASH = 92;
const BRACE = 123;

/** How a byte outside strings affects the count; 0: not at all. */
const SPACE = 1;
const COMMA = 2;
const OPEN = 3;
const CLOSE = 4;
const STRING = 5;
const MEANING = new Uint8Array(256);
for (const code of [32, 9, 10, 13]) MEANING[code] = SPACE;
MEANING[44] = COMMA;
for (const code of [BRACE, 91]) MEANING[code] = OPEN;
for (const code of [125, 93]) MEANING[code] = CLOSE;
MEANING[QUOTE] = STRING;

/** The first bytes of a string are read one by one; the jump to the next quote pays off only in longer strings. */
const NEAR_LENGTH = 64;
/** No API's message has so many fields at its top level, and each would be looked up by name. */
const MAX_FIELDS = 4_096;

/**
 * Refuses a body that holds too much before anything is built from it: 20 MiB of brackets take a hundred times their bytes in
 * memory. One pass, no memory, a few milliseconds for each MiB. It does not check the grammar: up to the first mistake it
 * counts what a parser would build, and a parser reads nothing after a mistake.
 *
 * @throws Fault payload_too_large: too many values. invalid_input: too deep.
 */
export function assertBounded(body: Buffer, bounds: JsonBounds): void {
  allAtOnce(boundSteps(body, bounds));
}

/** The same in steps. */
export function* boundSteps(body: Buffer, { maxValues, maxDepth }: JsonBounds): Steps<void> {
  // Each comma separates two values, and each bracket that is not closed at once holds a first value.
  let values = 1;
  let fields = 1;
  let depth = 0;
  let justOpened = false;
  let isObject = false;
  let inString = false;
  for (let at = 0; at < body.length;) {
    const stop = Math.min(at + STEP_LENGTH, body.length);
    for (; at < stop; at += 1) {
      if (inString) {
        at = closingQuote(body, at, stop);
        if (at >= stop) break;
        inString = false;
        continue;
      }
      const meaning = MEANING[body[at] as number] as number;
      if (meaning === SPACE) continue;
      if (meaning === STRING) inString = true;
      else if (meaning === COMMA) {
        values += 1;
        if (depth === 1) fields += 1;
      } else if (meaning === OPEN) {
        if (depth === 0) isObject = body[at] === BRACE;
        depth += 1;
        if (depth > maxDepth) throw tooDeep(maxDepth);
      } else if (meaning === CLOSE) depth -= 1;
      if (justOpened && meaning !== CLOSE) values += 1;
      justOpened = meaning === OPEN;
      if (values > maxValues) throw tooManyValues(maxValues);
    }
    if (at < body.length) yield;
  }
  if (isObject && fields > MAX_FIELDS) throw tooManyFields();
}

/** A hundred tools with twenty parameters each need 2,500. */
const MAX_SHAPES = 10_000;
/** In bytes. A name is read, hashed and looked up as a whole: one of 20 MiB holds everything else up for a second. */
const LONGEST_FIELD = 16_384;
/** The next fields of all objects that began alike. */
type Shape = Map<string, Shape>;

/**
 * Refuses a body whose objects have too many different fields, or orders of the same fields. V8 makes a description for
 * each of them, shared by objects that begin alike: alike objects take a hundredth of the time. A field's name may not be
 * long either. One pass, with memory for the accepted fields alone.
 *
 * @throws Fault invalid_input
 */
export function assertAlike(body: Buffer): void {
  allAtOnce(alikeSteps(body));
}

/** The same in steps. */
export function* alikeSteps(body: Buffer): Steps<void> {
  const first: Shape = new Map();
  /** How each open object began; null: a list. */
  const open: (Shape | null)[] = [];
  let shapes = 0;
  let wantsField = false;
  /** The start of the string that is being read; -1: outside a string. */
  let began = -1;
  for (let at = 0; at < body.length;) {
    const stop = Math.min(at + STEP_LENGTH, body.length);
    for (; at < stop; at += 1) {
      if (began !== -1) {
        at = closingQuote(body, at, stop);
        if (at >= stop) break;
        if (wantsField) {
          if (at - began > LONGEST_FIELD) throw fieldTooLong(body.toString('utf8', began, began + LONGEST_FIELD));
          const before = open.at(-1) as Shape;
          const field = body.toString('latin1', began, at);
          let shape = before.get(field);
          if (shape === undefined) {
            shapes += 1;
            if (shapes > MAX_SHAPES) throw tooDifferent();
            shape = new Map() as Shape;
            before.set(field, shape);
          }
          open[open.length - 1] = shape;
          wantsField = false;
        }
        began = -1;
        continue;
      }
      const meaning = MEANING[body[at] as number] as number;
      if (meaning === STRING) began = at + 1;
      else if (meaning === COMMA) {
        wantsField = (open.at(-1) ?? null) !== null;
      } else if (meaning === OPEN) {
        wantsField = body[at] === BRACE;
        open.push(wantsField ? first : null);
      } else if (meaning === CLOSE) {
        open.pop();
        wantsField = false;
      }
    }
    if (at < body.length) yield;
  }
}

/** Texts up to this size are built in a moment, whatever they hold. */
const SMALL_BYTES = 1_024;

/** Whether a text that the caller did not choose keeps the bounds of a body. It must be JSON from its first byte on. */
export function isBounded(text: Buffer, bounds = USUAL_BOUNDS): boolean {
  return text.length <= SMALL_BYTES || allAtOnce(isBoundedSteps(text, bounds));
}

/** The same in steps. */
export function* isBoundedSteps(text: Buffer, bounds = USUAL_BOUNDS): Steps<boolean> {
  try {
    yield* boundSteps(text, bounds);
    yield* alikeSteps(text);
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

/**
 * Parses a server's answer.
 *
 * @throws SyntaxError as JSON.parse does, and for texts beyond the bounds of a body
 */
export function parseBounded(text: string): unknown {
  if (text.length > SMALL_BYTES && !isBounded(Buffer.from(text)))
    throw new SyntaxError('The text holds too much JSON.');
  return parseJson(text);
}

/**
 * The closing quote of a string, from a place within it, if it stands before `stop`. Else a place at or after `stop` to go on
 * from, never between a backslash and the byte that it escapes.
 */
function closingQuote(body: Buffer, from: number, stop: number): number {
  let at = from;
  for (;;) {
    for (const near = Math.min(at + NEAR_LENGTH, stop); at < near; at += 1) {
      const code = body[at];
      if (code === QUOTE) return at;
      if (code === BACKSLASH) at += 1;
    }
    if (at >= stop) return at;
    const quote = body.indexOf(QUOTE, at);
    if (quote === -1) return body.length;
    let backslashes = 0;
    while (quote - 1 - backslashes >= at && body[quote - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return quote;
    at = quote + 1;
  }
}

function tooManyValues(maxValues: number): Fault {
  return new Fault(
    'payload_too_large',
    `The body holds more than ${maxValues} JSON values; send fewer. The operator sets this limit by GATEHOUSE_BODY_LIMIT_VALUES.`,
    { code: 'too_many_values' },
  );
}

function tooDeep(maxDepth: number): Fault {
  return new Fault(
    'invalid_input',
    `The body is nested deeper than ${maxDepth} levels; send fewer. The operator sets this limit by GATEHOUSE_BODY_LIMIT_DEPTH.`,
    { code: 'nested_too_deep' },
  );
}

function tooDifferent(): Fault {
  return new Fault(
    'invalid_input',
    `The objects in the body have more than ${MAX_SHAPES} different fields, or orders of the same fields; send fewer, or objects that are alike.`,
    { code: 'too_many_fields' },
  );
}

function fieldTooLong(name: string): Fault {
  return wrongField(name, `has a name of more than ${LONGEST_FIELD} bytes; put long texts into values`);
}

function tooManyFields(): Fault {
  return new Fault('invalid_input', `The body has more than ${MAX_FIELDS} fields; send fewer.`, {
    code: 'too_many_fields',
  });
}
