import { STEP_LENGTH, type Steps } from './steps.js';

type Fields = Readonly<Record<string, unknown>>;

/** What a value counts beside its characters: many small values take their time too. */
const VALUE_LENGTH = 16;

/**
 * Does the work of `Buffer.from(JSON.stringify(value))` in steps, for a value that was read from JSON.
 *
 * @param add takes the bytes, one piece after the other
 * @param pieceLength JSON.stringify takes a few milliseconds for a piece of the usual length
 */
export function writeSteps(value: unknown, add: (piece: Buffer) => void, pieceLength = STEP_LENGTH): Steps<void> {
  return new PieceWriter(add, pieceLength).value(value);
}

class PieceWriter {
  constructor(
    private readonly add: (piece: Buffer) => void,
    private readonly pieceLength: number,
  ) {}

  *value(value: unknown): Steps<void> {
    if (lengthOf(value, this.pieceLength) < this.pieceLength) this.text(JSON.stringify(value));
    else if (typeof value === 'string') yield* this.string(value);
    else if (Array.isArray(value)) yield* this.list(value as readonly unknown[]);
    else if (typeof value === 'object' && value !== null) yield* this.object(value as Fields);
    else this.text(JSON.stringify(value));
  }

  private *string(text: string): Steps<void> {
    this.text('"');
    for (let at = 0; at < text.length; yield) {
      let end = Math.min(at + this.pieceLength, text.length);
      // The two halves of one character stay together.
      if (isHighSurrogate(text.charCodeAt(end - 1))) end += 1;
      this.text(withoutEnds(JSON.stringify(text.slice(at, end))));
      at = end;
    }
    this.text('"');
  }

  private *list(list: readonly unknown[]): Steps<void> {
    for (let at = 0; at < list.length; yield) {
      this.text(at === 0 ? '[' : ',');
      const end = this.endOfPart(list, at);
      if (end > at) this.text(withoutEnds(JSON.stringify(list.slice(at, end))));
      else yield* this.value(list[at]);
      at = Math.max(end, at + 1);
    }
    this.text(list.length === 0 ? '[]' : ']');
  }

  private *object(fields: Fields): Steps<void> {
    let before = '{';
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) continue;
      this.text(`${before}${JSON.stringify(name)}:`);
      before = ',';
      yield* this.value(value);
      yield;
    }
    this.text(before === '{' ? '{}' : '}');
  }

  /** Just past the members from `from` on that one step writes; `from` itself: the first one is too long. */
  private endOfPart(list: readonly unknown[], from: number): number {
    let at = from;
    for (let left = this.pieceLength; at < list.length; at += 1) {
      left -= lengthOf(list[at], left);
      if (left <= 0) break;
    }
    return at;
  }

  private text(text: string): void {
    this.add(Buffer.from(text));
  }
}

/** Whether a value's text is longer, about. */
export function isLongerThan(value: unknown, length: number): boolean {
  return lengthOf(value, length) >= length;
}

/** About how long a value's text is; the count stops beyond `most`. */
function lengthOf(value: unknown, most: number): number {
  if (typeof value === 'string') return VALUE_LENGTH + value.length;
  if (typeof value !== 'object' || value === null) return VALUE_LENGTH;
  let length = VALUE_LENGTH;
  for (const name of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    if (length >= most) break;
    const member = (value as Readonly<Record<string | number, unknown>>)[name];
    length += (typeof name === 'string' ? name.length : 0) + lengthOf(member, most - length);
  }
  return length;
}

function withoutEnds(text: string): string {
  return text.slice(1, -1);
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
