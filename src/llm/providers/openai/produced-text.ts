import { isObject } from '../requests/chat-request.js';
import { collectAnswerText } from '../requests/chat-tokens.js';
import type { Tokenizer } from '../../tokens/tokenizer.js';
import { endOfFirstEvent, parseEvent } from './sse-usage-filter.js';

/** Beyond this much of a stream only bytes are counted, and the estimate is extrapolated. */
const KEPT_BYTES = 256 * 1024;

/** Puts what a model says in an event at the end of `texts`. */
type CollectSaid = (event: Readonly<Record<string, unknown>>, texts: string[]) => void;

/** The strings that `collectAnswerText` counts. Within a string their quotes would be escaped, and not match. */
const SAID = /"(?:content|reasoning_content|reasoning|refusal|name|arguments|text|thinking|transcript)"\s*:\s*"/g;

/**
 * What a stream has said so far, kept as it came and read only if the provider never says what was used: the ordinary
 * stream pays one push for each buffer.
 */
export class ProducedText {
  private kept: Buffer[] = [];
  private keptBytes = 0;
  private totalBytes = 0;

  /**
   * @param mark stands in every event that says something
   * @param said the strings that are said in an event that is not JSON, such as the beginning of one that is too long to be kept
   */
  constructor(
    private readonly collect: CollectSaid = collectDelta,
    private readonly mark = '"choices"',
    private readonly said = SAID,
  ) {}

  static of(events: Buffer, ...how: ConstructorParameters<typeof ProducedText>): ProducedText {
    const text = new ProducedText(...how);
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
    const data = this.kept.length === 1 ? (this.kept[0] as Buffer) : Buffer.concat(this.kept, this.keptBytes);
    if (!data.includes(this.mark)) return 0;
    const texts: string[] = [];
    for (let start = 0; start < data.length;) {
      const end = endOfFirstEvent(data, start);
      const event = data.subarray(start, end === -1 ? data.length : end);
      const parsed = parseEvent(event);
      if (parsed === null) collectPart(event.toString('utf8'), this.said, texts);
      else this.collect(parsed, texts);
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

const ESCAPE_CUT_OFF = /\\(?:u[0-9a-f]{0,3})?$/i;

/** Output tokens of an answer that was broken off while it came, and so is not JSON. */
export function estimatePartTokens(tokenizer: Tokenizer, part: string, strings: RegExp = SAID): number {
  const texts: string[] = [];
  collectPart(part, strings, texts);
  return tokenizer.count(texts.join('\n'));
}

function collectPart(part: string, strings: RegExp, texts: string[]): void {
  const said = new RegExp(strings);
  while (said.exec(part) !== null) {
    const start = said.lastIndex;
    said.lastIndex = endOfString(part, start);
    texts.push(unescaped(part.slice(start, said.lastIndex)));
  }
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

/** Whether any choice of an answer, or of a piece of one, says something. */
export function saysAnything({ choices }: Readonly<Record<string, unknown>>): boolean {
  const texts: string[] = [];
  for (const field of ['delta', 'message'] as const) collectChoices(choices, field, texts);
  return texts.some((text) => text !== '');
}

function collectDelta(event: Readonly<Record<string, unknown>>, texts: string[]): void {
  collectChoices(event['choices'], 'delta', texts);
}

function collectChoices(choices: unknown, field: 'delta' | 'message', texts: string[]): void {
  if (!Array.isArray(choices)) return;
  for (const choice of choices as readonly unknown[]) {
    if (!isObject(choice)) continue;
    // Some servers put a whole message into a chunk, or the text beside it.
    const answer = choice[field] ?? choice['message'];
    if (isObject(answer)) texts.push(...textsOf(answer));
    if (typeof choice['text'] === 'string') texts.push(choice['text']);
  }
}

const KNOWN = new Set(
  'content reasoning reasoning_content reasoning_details refusal thinking audio tool_calls function_call'.split(' '),
);
/** What names or frames an answer, and what is not written in tokens. */
const FRAME =
  /(?:^|_)(?:ids?|type|role|name|index|object|status|model|format|signature|content|annotations|data)$|encrypted/;

/** Servers have names of their own for what a model thinks. What stands under two names counts once. */
function textsOf(answer: Readonly<Record<string, unknown>>): readonly string[] {
  const texts: string[] = [];
  collectAnswerText(answer, texts);
  collectParts(answer, texts);
  const others: string[] = [];
  for (const [name, value] of Object.entries(answer))
    if (!KNOWN.has(name) && !FRAME.test(name)) collectTexts(value, others, 0);
  return [...texts, ...others.filter((text) => !texts.includes(text))];
}

/** What some servers say in parts that have texts of their own. As a plain text most of it is counted already. */
function collectParts(answer: Readonly<Record<string, unknown>>, texts: string[]): void {
  const { content, reasoning, reasoning_content: thought, reasoning_details: details, thinking, audio } = answer;
  // Where a thought is said in both forms, it is the same one.
  const isThoughtSaid = typeof reasoning === 'string' || typeof thought === 'string';
  for (const parts of [content, reasoning, thought, isThoughtSaid ? null : details, audio])
    if (typeof parts !== 'string') collectTexts(parts, texts, 0);
  collectTexts(thinking, texts, 0);
}

const TEXTS_OF_PART = ['text', 'thinking', 'content', 'summary', 'transcript'];
const MAX_PARTS_DEPTH = 8;

function collectTexts(value: unknown, texts: string[], depth: number): void {
  if (typeof value === 'string') texts.push(value);
  if (depth >= MAX_PARTS_DEPTH) return;
  if (Array.isArray(value)) for (const part of value as readonly unknown[]) collectTexts(part, texts, depth + 1);
  else if (isObject(value)) for (const name of TEXTS_OF_PART) collectTexts(value[name], texts, depth + 1);
}
