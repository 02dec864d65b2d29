/** Reads a JSON text that JSON.parse accepts: the places of its parts, and its values. */
import { STEP_LENGTH, type Steps } from './steps.js';

export const QUOTE = 34;
const BACKSLASH = 92;
const LETTER_U = 117;
const UNICODE_ESCAPE_LENGTH = 6;
const COLON = 58;

/** Called for each number, with the object or list that holds it, its key there, and its literal. */
export type NumberNote = (holder: object, key: string, value: number, source: string) => void;

/**
 * JSON.parse without its bug: V8, at least up to Node 26 (nodejs/node#63785), may read a key with an escape as another key that
 * it parsed before. A call's cost would then be judged by other fields than its provider reads. So texts with such keys, which
 * are rare, are built here from strings and numbers that JSON.parse read one by one.
 *
 * @throws SyntaxError as JSON.parse does
 */
export function parseJson(text: string, note?: NumberNote): unknown {
  const value: unknown = JSON.parse(text);
  if (hasEscapedKey(text)) return build(text, note);
  return note === undefined ? value : JSON.parse(text, reviver(note));
}

function reviver(note: NumberNote) {
  return function (this: object, key: string, value: unknown, context?: { readonly source?: string }): unknown {
    if (typeof value === 'number' && context?.source !== undefined) note(this, key, value, context.source);
    return value;
  };
}

function hasEscapedKey(text: string): boolean {
  let backslash = text.indexOf('\\');
  for (let at = text.indexOf('"'); at !== -1 && backslash !== -1;) {
    const end = endOfString(text, at);
    if (backslash < end) {
      if (text.charCodeAt(skipSpace(text, end)) === COLON) return true;
      backslash = text.indexOf('\\', end);
    }
    at = text.indexOf('"', end);
  }
  return false;
}

interface Open {
  readonly into: Record<string, unknown> | unknown[];
  readonly parent: Open | null;
  /** The key of the value that comes next; null: a key comes next, or an item of a list. */
  key: string | null;
}

/** No recursion: a caller chooses how deep a text goes. */
class Builder {
  root: unknown;
  private open: Open | null = null;

  constructor(private readonly note: NumberNote | undefined) {}

  begin(into: Open['into']): void {
    this.put(into, '');
    this.open = { into, parent: this.open, key: null };
  }

  end(): void {
    this.open = this.open?.parent ?? null;
  }

  add(value: unknown, source: string): void {
    if (this.open !== null && !Array.isArray(this.open.into) && this.open.key === null) this.open.key = String(value);
    else this.put(value, source);
  }

  private put(value: unknown, source: string): void {
    if (this.open === null) {
      this.root = value;
      return;
    }
    const { into } = this.open;
    const key = Array.isArray(into) ? String(into.length) : (this.open.key ?? '');
    if (typeof value === 'number') this.note?.(into, key, value, source);
    if (Array.isArray(into)) into.push(value);
    else setField(into, key, value);
    this.open.key = null;
  }
}

/** Sets a field as JSON.parse does. A plain assignment to `__proto__` would set the object's prototype. */
export function setField(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

function build(text: string, note?: NumberNote): unknown {
  const builder = new Builder(note);
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
    const code = text.charCodeAt(at);
    let end = at + 1;
    if (code === 123 /* { */) builder.begin({});
    else if (code === 91 /* [ */) builder.begin([]);
    else if (code === 125 /* } */ || code === 93 /* ] */) builder.end();
    else if (code !== 44 /* , */ && code !== COLON) {
      end = code === QUOTE ? endOfString(text, at) : endOfLiteral(text, at);
      const source = text.slice(at, end);
      builder.add(code === QUOTE ? keyBetween(text, at, end) : JSON.parse(source), source);
    }
    at = end;
  }
  return builder.root;
}

/** A key or another string, from its opening quote to just past the closing one. */
export function keyBetween(text: string, from: number, end: number): string {
  const raw = text.slice(from + 1, end - 1);
  return raw.includes('\\') ? (JSON.parse(text.slice(from, end)) as string) : raw;
}

export function skipSpace(text: string, from: number): number {
  return skipSpaceUntil(text, from, text.length);
}

/** The same in steps: a text may be white space for the most part. */
export function* spaceSteps(text: string, from: number): Steps<number> {
  for (let at = from; ;) {
    const stop = Math.min(at + STEP_LENGTH, text.length);
    at = skipSpaceUntil(text, at, stop);
    if (at < stop || stop === text.length) return at;
    yield;
  }
}

function skipSpaceUntil(text: string, from: number, stop: number): number {
  let at = from;
  while (at < stop) {
    const code = text.charCodeAt(at);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return at;
    at += 1;
  }
  return at;
}

/** The first characters of a string are read one by one; the jump to the next quote pays off only in longer strings. */
const NEAR_LENGTH = 64;

/** From an opening quote to just past the closing one; without one to the end. */
export function endOfString(text: string, from: number): number {
  return Math.min(closingQuote(text, from + 1, text.length) + 1, text.length);
}

/**
 * The closing quote of a string, from a place within it, if it stands before `stop`. Else a place at or after `stop` to go on
 * from, never within an escape. Jumps between quotes, since strings can hold whole images.
 */
export function closingQuote(text: string, from: number, stop: number): number {
  let at = from;
  for (;;) {
    for (const near = Math.min(at + NEAR_LENGTH, stop); at < near; at += 1) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) return at;
      if (code === BACKSLASH) at += text.charCodeAt(at + 1) === LETTER_U ? UNICODE_ESCAPE_LENGTH - 1 : 1;
    }
    if (at >= stop) return at;
    const quote = text.indexOf('"', at);
    if (quote === -1) return text.length;
    let backslashes = 0;
    while (quote - 1 - backslashes >= at && text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return quote;
    at = quote + 1;
  }
}

/** Just past the value that begins here; past the text if the value has no end. */
export function endOfValue(text: string, from: number): number {
  const scan = new ValueScan(text, from);
  scan.readTo(text.length);
  return scan.at;
}

/** The same in steps. */
export function* endSteps(text: string, from: number): Steps<number> {
  const scan = new ValueScan(text, from);
  for (let stop = from + STEP_LENGTH; !scan.readTo(Math.min(stop, text.length)); stop += STEP_LENGTH) yield;
  return scan.at;
}

/** Looks for the end of a value. */
export class ValueScan {
  /** Just past the value once it is over. */
  at: number;
  /** Its end was there. */
  isWhole = false;
  /** Names of fields in it, those of inner objects too: colons outside strings. */
  names = 0;
  private depth = 0;
  private inString = false;

  constructor(
    private readonly text: string,
    from: number,
  ) {
    this.at = from;
  }

  /** @returns whether the value is over, or the text */
  readTo(stop: number): boolean {
    const { text } = this;
    let { at, depth } = this;
    while (at < stop && !this.isWhole) {
      const code = text.charCodeAt(at);
      if (this.inString) {
        at = closingQuote(text, at, stop) + 1;
        if (at > stop) {
          at -= 1;
          break;
        }
        this.inString = false;
        this.isWhole = depth === 0;
      } else if (code === QUOTE) {
        this.inString = true;
        at += 1;
      } else if (depth === 0 && code !== 123 /* { */ && code !== 91 /* [ */) {
        at = endOfLiteral(text, at);
        this.isWhole = true;
      } else {
        at += 1;
        if (code === COLON) this.names += 1;
        else if (code === 123 || code === 91) depth += 1;
        else if (code === 125 || code === 93) this.isWhole = --depth === 0;
      }
    }
    this.at = Math.min(at, text.length);
    this.depth = depth;
    return this.isWhole || this.at === text.length;
  }
}

/** Just past a number, true, false or null; no further than `stop`. */
export function endOfLiteral(text: string, from: number, stop = text.length): number {
  const last = Math.min(stop, text.length);
  let at = from;
  while (at < last && !endsLiteral(text.charCodeAt(at))) at += 1;
  return at;
}

/** Only these can follow a number, true, false or null. */
function endsLiteral(code: number): boolean {
  return code === 44 /* , */ || code === 125 /* } */ || code === 93 /* ] */ || code <= 32;
}
