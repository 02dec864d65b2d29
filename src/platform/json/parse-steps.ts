import { closingQuote, endOfLiteral, parseJson, QUOTE, setField, spaceSteps } from './json-text.js';
import { STEP_LENGTH, type Steps } from './steps.js';

const COLON = 58;
const COMMA = 44;
const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;
const OPENING_BRACKET = 91;
const CLOSING_BRACKET = 93;
const LONGEST_ESCAPE = 6;
/** Its digits are read at once. */
const LONGEST_NUMBER = STEP_LENGTH;

/** A number with more digits than are read at once. */
export class LongNumberError extends SyntaxError {
  /** Names of fields, and places in lists, from the outermost one. */
  readonly path: string[] = [];
}

interface Parsed<Value = unknown> {
  readonly value: Value;
  /** Just past it. */
  readonly end: number;
}

/**
 * Does the work of `parseJson` in steps: JSON.parse reads pieces of the text, and this generator joins them. A text is cut
 * between members of lists and objects, and a long string between its characters.
 *
 * @param pieceLength JSON.parse takes a few milliseconds for a piece of the usual length
 * @throws SyntaxError for the texts for which JSON.parse does, and for a number of half a million digits
 */
export function* parseSteps(text: string, pieceLength = STEP_LENGTH): Steps<unknown> {
  const { value, end } = yield* new PieceReader(text, pieceLength).value(0);
  const rest = yield* spaceSteps(text, end);
  if (rest < text.length) throw malformed(rest);
  return value;
}

class PieceReader {
  constructor(
    private readonly text: string,
    private readonly pieceLength: number,
  ) {}

  *value(from: number): Steps<Parsed> {
    const { text } = this;
    const start = yield* spaceSteps(text, from);
    const end = this.endWithin(start);
    if (end !== null) return { value: parsePiece(text.slice(start, end), start), end };
    yield;
    switch (text.charCodeAt(start)) {
      case OPENING_BRACE:
        return yield* this.object(start);
      case OPENING_BRACKET:
        return yield* this.list(start);
      case QUOTE:
        return yield* this.string(start);
      default: {
        const literalEnd = endOfLiteral(text, start, start + LONGEST_NUMBER);
        if (literalEnd === start + LONGEST_NUMBER) throw new LongNumberError();
        return { value: parsePiece(text.slice(start, literalEnd), start), end: literalEnd };
      }
    }
  }

  private *list(from: number): Steps<Parsed> {
    const { text } = this;
    const value: unknown[] = [];
    let at = yield* spaceSteps(text, from + 1);
    if (text.charCodeAt(at) === CLOSING_BRACKET) return { value, end: at + 1 };
    for (;;) {
      const end = this.membersWithin(at);
      if (end === null) {
        const item = yield* this.valueOf(String(value.length), at);
        value.push(item.value);
        at = yield* spaceSteps(text, item.end);
      } else {
        const items = parsePiece(`[${text.slice(at, end)}]`, at - 1) as readonly unknown[];
        if (items.length === 0) throw malformed(end);
        for (const item of items) value.push(item);
        at = end;
      }
      yield;
      const code = text.charCodeAt(at);
      if (code === CLOSING_BRACKET) return { value, end: at + 1 };
      if (code !== COMMA) throw malformed(at);
      at += 1;
    }
  }

  private *object(from: number): Steps<Parsed> {
    const { text } = this;
    const value: Record<string, unknown> = {};
    let at = yield* spaceSteps(text, from + 1);
    if (text.charCodeAt(at) === CLOSING_BRACE) return { value, end: at + 1 };
    for (;;) {
      const end = this.membersWithin(at);
      if (end === null) {
        const member = yield* this.member(yield* spaceSteps(text, at));
        setField(value, ...member.value);
        at = yield* spaceSteps(text, member.end);
      } else {
        const members = Object.entries(parsePiece(`{${text.slice(at, end)}}`, at - 1) as object);
        if (members.length === 0) throw malformed(end);
        for (const [key, item] of members) setField(value, key, item);
        at = end;
      }
      yield;
      const code = text.charCodeAt(at);
      if (code === CLOSING_BRACE) return { value, end: at + 1 };
      if (code !== COMMA) throw malformed(at);
      at += 1;
    }
  }

  private *member(at: number): Steps<Parsed<readonly [string, unknown]>> {
    const { text } = this;
    if (text.charCodeAt(at) !== QUOTE) throw malformed(at);
    const key = yield* this.string(at);
    const colon = yield* spaceSteps(text, key.end);
    if (text.charCodeAt(colon) !== COLON) throw malformed(colon);
    const { value, end } = yield* this.valueOf(key.value, colon + 1);
    return { value: [key.value, value], end };
  }

  /** The value under a key or a place in a list, which an error names. */
  private *valueOf(name: string, from: number): Steps<Parsed> {
    try {
      return yield* this.value(from);
    } catch (error) {
      if (error instanceof LongNumberError) error.path.unshift(name);
      throw error;
    }
  }

  private *string(from: number): Steps<Parsed<string>> {
    const { text } = this;
    const pieces: string[] = [];
    for (let at = from + 1; at < text.length;) {
      const stop = Math.min(at + this.pieceLength, text.length);
      const end = closingQuote(text, at, stop);
      const isLast = end < stop;
      const cut = isLast ? end : cutBefore(text, at, stop, end);
      pieces.push(parsePiece(`"${text.slice(at, cut)}"`, at - 1) as string);
      if (isLast) return { value: pieces.join(''), end: end + 1 };
      at = cut;
      yield;
    }
    throw malformed(text.length);
  }

  /** Just past a value that is no longer than a piece; null: it is longer, or has no end. */
  private endWithin(from: number): number | null {
    const { text, pieceLength } = this;
    const stop = Math.min(from + pieceLength, text.length);
    switch (text.charCodeAt(from)) {
      case OPENING_BRACE:
      case OPENING_BRACKET: {
        const { close } = this.endsOfMembers(from + 1, stop);
        return close === null ? null : close + 1;
      }
      case QUOTE: {
        const quote = closingQuote(text, from + 1, stop);
        return quote < stop ? quote + 1 : null;
      }
      default: {
        const end = endOfLiteral(text, from, stop + 1);
        return end <= stop ? end : null;
      }
    }
  }

  /** The end of the whole members within a piece: a comma, or the end of the list or object; null: not one member fits. */
  private membersWithin(from: number): number | null {
    const { close, comma } = this.endsOfMembers(from, Math.min(from + this.pieceLength, this.text.length));
    return close ?? comma;
  }

  /** The end of the list or object that is open at `from`, and the last comma between its members, both before `stop`. */
  private endsOfMembers(from: number, stop: number): { readonly close: number | null; readonly comma: number | null } {
    const { text } = this;
    let depth = 0;
    let comma: number | null = null;
    for (let at = from; at < stop; at += 1) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) at = closingQuote(text, at + 1, stop);
      else if (code === OPENING_BRACE || code === OPENING_BRACKET) depth += 1;
      else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) {
        if (depth === 0) return { close: at, comma };
        depth -= 1;
      } else if (code === COMMA && depth === 0) comma = at;
    }
    return { close: null, comma };
  }
}

/**
 * The place to cut a string that does not end before `stop`.
 *
 * @param end a later place that is not within an escape
 */
function cutBefore(text: string, at: number, stop: number, end: number): number {
  if (end - stop < LONGEST_ESCAPE) return end;
  return text.slice(at, end).includes('\\') ? end : stop;
}

/** @param offset the piece's place in the text */
function parsePiece(piece: string, offset: number): unknown {
  try {
    return parseJson(piece);
  } catch (error) {
    const position = /at position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw position === undefined ? new SyntaxError('Malformed JSON') : malformed(offset + Number(position));
  }
}

function malformed(position: number): SyntaxError {
  return new SyntaxError(`Malformed JSON at position ${position}`);
}
