import { endOfString } from '../../platform/json/index.js';

const QUOTE = 34;
const COLON = 58;
const COMMA = 44;

/**
 * The most values, and characters outside strings, that are read of a request: 128 tools of 25 parameters have 34,000.
 */
const MAX_VALUES = 60_000;
const MAX_CHARACTERS = 1_048_576;

/** Counts what a valid JSON text is made of, up to a limit for the whole of it. */
export class JsonShape {
  private values = MAX_VALUES;
  private characters = MAX_CHARACTERS;

  constructor(private readonly text: string) {}

  /** @returns how many fields the objects between the two places have: their colons; null: too many to read */
  countFields(start: number, end: number): number | null {
    const { text } = this;
    let fields = 0;
    for (let at = start; at < end; at += 1) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        at = endOfString(text, at) - 1;
        continue;
      }
      if (code === COLON) fields += 1;
      if (code === COLON || code === COMMA) this.values -= 1;
      this.characters -= 1;
      if (this.values < 0 || this.characters < 0) return null;
    }
    return fields;
  }
}
