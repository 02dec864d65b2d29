import { collectAnswerText } from '../requests/chat-tokens.js';
import type { Tokenizer } from '../../tokens/tokenizer.js';
import { endOfFirstEvent, parseEvent } from './sse-usage-filter.js';

/** Beyond this much of a stream only bytes are counted, and the estimate is extrapolated. */
const KEPT_BYTES = 256 * 1024;

/**
 * What a stream has said so far, kept as it came and read only if the provider never says what was used: the ordinary
 * stream pays one push for each buffer.
 */
export class ProducedText {
  private kept: Buffer[] = [];
  private keptBytes = 0;
  private totalBytes = 0;

  static of(events: Buffer): ProducedText {
    const text = new ProducedText();
    text.add(events);
    return text;
  }

  add(events: Buffer): void {
    this.totalBytes += events.length;
    if (this.keptBytes >= KEPT_BYTES) return;
    this.kept.push(events);
    this.keptBytes += events.length;
  }

  get isEmpty(): boolean {
    return this.totalBytes === 0;
  }

  /** Output tokens of all choices together. */
  estimateTokens(tokenizer: Tokenizer): number {
    if (this.keptBytes === 0) return 0;
    const texts: string[] = [];
    const data = Buffer.concat(this.kept, this.keptBytes);
    for (let start = 0; start < data.length;) {
      const end = endOfFirstEvent(data, start);
      const event = data.subarray(start, end === -1 ? data.length : end);
      collectChoices(parseEvent(event)?.['choices'], 'delta', texts);
      start += event.length;
    }
    return Math.round((tokenizer.count(texts.join('')) * this.totalBytes) / this.keptBytes);
  }
}

/** Output tokens of a whole answer that came without usage. */
export function estimateAnswerTokens(tokenizer: Tokenizer, answer: Readonly<Record<string, unknown>>): number {
  const texts: string[] = [];
  collectChoices(answer['choices'], 'message', texts);
  return tokenizer.count(texts.join('\n'));
}

/** The strings that `collectAnswerText` counts. Within a string their quotes would be escaped, and not match. */
const SAID = /"(?:content|reasoning_content|reasoning|refusal|name|arguments)"\s*:\s*"/g;
const ESCAPE_CUT_OFF = /\\(?:u[0-9a-f]{0,3})?$/i;

/** Output tokens of an answer that was broken off while it came, and so is no JSON. */
export function estimatePartTokens(tokenizer: Tokenizer, part: string, strings: RegExp = SAID): number {
  const texts: string[] = [];
  const said = new RegExp(strings);
  while (said.exec(part) !== null) {
    const start = said.lastIndex;
    said.lastIndex = endOfString(part, start);
    texts.push(unescaped(part.slice(start, said.lastIndex)));
  }
  return tokenizer.count(texts.join('\n'));
}

/** Where the string ends that began before `start`: at its quote, or with the text. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}

function unescaped(raw: string): string {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    // Cut off within an escape; anything else is counted as it stands.
    const cut = raw.replace(ESCAPE_CUT_OFF, '');
    return cut === raw ? raw : unescaped(cut);
  }
}

function collectChoices(choices: unknown, field: 'delta' | 'message', texts: string[]): void {
  if (!Array.isArray(choices)) return;
  for (const choice of choices as readonly unknown[]) {
    if (typeof choice === 'object' && choice !== null)
      collectAnswerText((choice as Record<string, unknown>)[field], texts);
  }
}
