import { isObject } from '../requests/chat-request.js';
import type { EventToWrite } from './event-steps.js';
import { usageIn, type ReportedCounts } from './openai-usage.js';
import { errorOfChunk } from './stream-errors.js';

type Fields = Readonly<Record<string, unknown>>;

/** Texts that come in pieces; every other text is said whole, and by some servers more than once. */
const IN_PIECES = new Set([
  'content',
  'reasoning_content',
  'reasoning',
  'refusal',
  'text',
  'thinking',
  'summary',
  'arguments',
  'input',
  'data',
  'transcript',
]);

/** No call asks for so many answers or tools; an answer that claims to have more is not put together. */
const MOST_PLACES = 256;

/** A stream as one answer: what its chunks say together, in the form of an answer that was not streamed. */
export interface GatheredAnswer {
  readonly answer: Fields;
  /** An error inside the stream; null: the event is not an error. */
  readonly error: Fields | null;
  /** A choice came to its end, or the stream to its mark. */
  readonly isWhole: boolean;
}

/** Puts the events of a stream together, one after the other. */
export interface Gatherer {
  /** @returns what it reports */
  add(event: Fields): ReportedCounts | null;
  /** The stream's end mark came. */
  mark(): void;
  /** Null: no event came. */
  gathered(): GatheredAnswer | null;
}

/** Puts chunks of a chat together. */
export class ChatGatherer implements Gatherer {
  private readonly answer: Record<string, unknown> = {};
  private readonly choices: Record<string, unknown>[] = [];
  private error: Fields | null = null;
  private isWhole = false;
  private isEmpty = true;

  add(event: Fields): ReportedCounts | null {
    this.isEmpty = false;
    const { choices: said, ...fields } = event;
    const error = errorOfChunk(event);
    if (!Array.isArray(said)) this.error ??= event;
    else if (error !== null) this.error ??= { error };
    else this.isWhole = addChoices(this.choices, said as readonly unknown[]) || this.isWhole;
    merge(this.answer, fields);
    return usageIn(event);
  }

  mark(): void {
    this.isWhole = true;
  }

  gathered(): GatheredAnswer | null {
    if (this.isEmpty) return null;
    const { answer, error, isWhole } = this;
    const choices = this.choices.map(({ delta, ...rest }) => ({
      ...rest,
      message: withoutIndexes(isObject(delta) ? delta : {}),
    }));
    return { answer: { ...answer, object: 'chat.completion', choices }, error, isWhole };
  }
}

/** @returns whether one of them has come to its end */
function addChoices(choices: Record<string, unknown>[], said: readonly unknown[]): boolean {
  let ended = false;
  for (const choice of said) {
    if (!isObject(choice)) continue;
    const { index = 0 } = choice;
    let known = choices.find((other) => other['index'] === index);
    if (known === undefined && choices.length > MOST_PLACES) continue;
    if (known === undefined) choices.push((known = { index }));
    // Some servers put the whole message into their one chunk.
    const { message, ...rest } = choice;
    merge(known, isObject(message) && !isObject(rest['delta']) ? { ...rest, delta: message } : rest);
    ended ||= typeof choice['finish_reason'] === 'string';
  }
  return ended;
}

function merge(into: Record<string, unknown>, from: Fields): void {
  for (const [key, value] of Object.entries(from)) {
    if (key === '__proto__') continue;
    const known = into[key];
    if (value === null || value === undefined) into[key] = known ?? null;
    else if (typeof value === 'string') into[key] = typeof known === 'string' ? joined(key, known, value) : value;
    else if (typeof value === 'number') into[key] = largest(key, known, value);
    else if (Array.isArray(value)) into[key] = mergeLists(known, value as readonly unknown[]);
    else if (isObject(value)) {
      const fields: Record<string, unknown> = isObject(known) ? { ...known } : {};
      merge(fields, value);
      into[key] = fields;
    } else into[key] = value;
  }
}

function joined(key: string, known: string, piece: string): string {
  if (IN_PIECES.has(key)) return known + piece;
  return piece === '' ? known : piece;
}

/** Counts come in pieces, and with zeros after the truth. */
function largest(key: string, known: unknown, value: number): number {
  return key.endsWith('_tokens') && typeof known === 'number' ? Math.max(known, value) : value;
}

/** Members that say their place are one with what stands there; others come after what is known. */
function mergeLists(known: unknown, pieces: readonly unknown[]): unknown[] {
  // In place: every list here was begun below, and a copy for each chunk would cost the square of a long stream.
  const list: unknown[] = Array.isArray(known) ? (known as unknown[]) : [];
  for (const piece of pieces) {
    const index = isObject(piece) ? piece['index'] : undefined;
    const at =
      index === undefined || list.length > MOST_PLACES
        ? -1
        : list.findIndex((other) => isObject(other) && other['index'] === index);
    const fields: Record<string, unknown> = {};
    const same = list[at];
    if (!isObject(piece) || !isObject(same)) {
      list.push(piece);
      continue;
    }
    merge(fields, same);
    merge(fields, piece);
    list[at] = fields;
  }
  return list;
}

/** The calls of a whole message stand in their order, without a number. */
function withoutIndexes(message: Fields): Fields {
  const calls = message['tool_calls'];
  if (!Array.isArray(calls)) return message;
  const bare = (calls as readonly unknown[]).map((call) => {
    if (!isObject(call)) return call;
    const { index: _index, ...rest } = call;
    return rest;
  });
  return { ...message, tool_calls: bare };
}

/** A whole answer, which has choices, as the events of a stream. */
export function eventsOf(answer: Fields, includeUsage: boolean): readonly EventToWrite[] {
  const { choices, usage, ...fields } = answer;
  const envelope = { ...fields, object: 'chat.completion.chunk' };
  const chunks: object[] = [];
  for (const choice of (choices as readonly unknown[]).filter(isObject)) {
    const { message, finish_reason: reason = 'stop', index = 0, usage: _usage, ...rest } = choice;
    const delta = withIndexes(isObject(message) ? message : {});
    chunks.push({ ...envelope, choices: [{ ...rest, index, delta, finish_reason: null }] });
    chunks.push({ ...envelope, choices: [{ index, delta: {}, finish_reason: reason }] });
  }
  if (includeUsage && usage !== undefined && usage !== null) chunks.push({ ...envelope, choices: [], usage });
  return chunks.map((data) => ({ data }));
}

function withIndexes(message: Fields): Fields {
  const calls = message['tool_calls'];
  if (!Array.isArray(calls)) return message;
  const numbered = (calls as readonly unknown[]).map((call, index) => (isObject(call) ? { index, ...call } : call));
  return { ...message, tool_calls: numbered };
}
