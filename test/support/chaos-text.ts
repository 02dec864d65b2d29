/** A model's text, token by token, in OpenAI's vocabulary, so that the sender knows how much was sent. */
import { encode, decode } from 'gpt-tokenizer/encoding/o200k_base';

const PROSE =
  'The lighthouse keeper counts the ships that pass, and writes each one down before the lamp turns again; nobody asks why. ';
const GERMAN = 'Am Ufer stehen die Leute und schauen hinüber, während die Fähre über den großen Fluss zurückkommt. ';
const CODE = 'export const area = (shapes: Shape[]): number => shapes.reduce((sum, { w, h }) => sum + w * h, 0);\n';
const DATA = '{"id": "a1b2c3", "total": 1284.50, "items": [{"sku": "X-19", "qty": 3}]}\n';
const CHINESE = '灯塔看守人数着经过的船只，并在灯再次转动之前把每一艘都记下来。';

/** Text of several kinds in turn, with at least this many tokens. */
export function mixedText(tokens: number): string {
  const round = PROSE + GERMAN + CODE + DATA + CHINESE + PROSE;
  return round.repeat(Math.ceil(tokens / encode(round).length));
}

export interface Spoken {
  readonly word: string;
  /** The number of tokens up to the end of this word. */
  readonly tokens: number;
}

/** A text in the pieces that a provider streams: one token each, or several where a character takes more. */
export function spoken(text: string): Spoken[] {
  const words: Spoken[] = [];
  let waiting: number[] = [];
  for (const [index, token] of encode(text).entries()) {
    waiting.push(token);
    const word = decode(waiting);
    if (word.includes('\ufffd')) continue;
    words.push({ word, tokens: index + 1 });
    waiting = [];
  }
  return words;
}
