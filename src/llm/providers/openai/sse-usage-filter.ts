import { isBoundedSteps, parseBounded, parseSteps, type Steps } from '../../../platform/json/index.js';
import { holdsField } from './field-mark.js';
import { believedUsage, LongEvent } from './long-event.js';
import { largestOf, usageIn, type ReportedCounts } from './openai-usage.js';

/** A usage object has at least one such key; inside a JSON string the quote would be escaped and not match. */
const USAGE_MARK = Buffer.from('_tokens"');
const LF = 10;
const CR = 13;
/** A longer event is not kept: it goes through as it comes, and what it reports is read as it goes by. */
const MAX_EVENT_BYTES = 256 * 1024;
/** A boundary is at most this long less one, so that one cut by the end of a buffer is still found. */
const OVERLAP_BYTES = 3;
const NOTHING = Buffer.alloc(0);

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads the usage out of a stream of server-sent events, and takes the chunk that holds nothing else out of it where the
 * caller did not ask for it. All other events come out byte for byte, whatever way the stream was cut into buffers.
 *
 * Only whole events go on; what a buffer holds of an unfinished one waits for its rest, which costs the caller nothing,
 * since half an event says nothing. The usual buffer (whole events, no usage) costs one search.
 */
export class SseUsageFilter {
  /** What the provider said, of each count the largest. */
  usage: ReportedCounts | null = null;
  /** A choice has come to its end. */
  finished = false;
  /** The events after the last report in what was pushed last; null: there was no report in it. */
  afterReport: Buffer | null = null;
  /** The model that it said used that. */
  model: string | null = null;
  private tail: Buffer = NOTHING;
  /** The event that is too long to be kept, and has not ended yet. */
  private long: LongEvent | null = null;

  constructor(
    private readonly dropUsageChunk: boolean,
    /** Where an event's usage and model stand; absent: in the event itself. */
    private readonly answerIn: ((event: Fields) => Fields) | null = null,
  ) {}

  /** @returns the events that are whole now; may be empty */
  push(chunk: Buffer): Buffer {
    let data = this.tail.length === 0 ? chunk : Buffer.concat([this.tail, chunk]);
    let passed: Buffer = NOTHING;
    let reported = false;
    this.afterReport = null;
    if (this.long !== null) {
      const end = endOfFirstEvent(data, 0);
      passed = end === -1 ? this.keepTail(data, data.length - OVERLAP_BYTES) : data.subarray(0, end);
      reported = this.readLong(this.long, passed);
      if (end === -1) return passed;
      data = data.subarray(end);
      this.long = null;
    }
    const end = endOfLastEvent(data);
    this.tail = end === data.length ? NOTHING : data.subarray(end);
    const whole = end === data.length ? data : data.subarray(0, end);
    this.finished ||= isFinishedIn(whole);
    if (reported) this.afterReport = whole;
    const events = whole.indexOf(USAGE_MARK) === -1 ? whole : this.readEvents(whole);
    if (this.tail.length > MAX_EVENT_BYTES) {
      this.long = new LongEvent();
      const begun = this.keepTail(this.tail, this.tail.length - OVERLAP_BYTES);
      this.readLong(this.long, begun);
      return Buffer.concat([passed, events, begun]);
    }
    return passed.length === 0 ? events : Buffer.concat([passed, events]);
  }

  /** What is left when the stream has ended: an event without its blank line, or nothing. */
  end(): Buffer {
    const rest = this.tail;
    this.tail = NOTHING;
    this.finished ||= isFinishedIn(rest);
    if (this.long !== null) this.readLong(this.long, rest);
    if (this.long !== null || rest.indexOf(USAGE_MARK) === -1) return rest;
    return this.isUsageChunk(rest) ? NOTHING : rest;
  }

  /** @returns whether the event has reported something up to here */
  private readLong(event: LongEvent, piece: Buffer): boolean {
    event.add(piece);
    this.finished ||= event.finished;
    if (event.usage === null) return false;
    this.usage = largestOf(this.usage, event.usage);
    this.model = event.model ?? this.model;
    this.afterReport = NOTHING;
    return true;
  }

  private keepTail(data: Buffer, from: number): Buffer {
    const start = Math.max(0, from);
    this.tail = data.subarray(start);
    return data.subarray(0, start);
  }

  private readEvents(events: Buffer): Buffer {
    const kept: Buffer[] = [];
    for (let start = 0; start < events.length;) {
      const end = endOfFirstEvent(events, start);
      const event = events.subarray(start, end === -1 ? events.length : end);
      start += event.length;
      const { usage } = this;
      if (!this.isUsageChunk(event)) kept.push(event);
      if (this.usage !== usage) this.afterReport = events.subarray(start);
    }
    return kept.length === 1 && kept[0] !== undefined ? kept[0] : Buffer.concat(kept);
  }

  /** Notes an event's usage; true: the event holds nothing else, and is not for the caller. */
  private isUsageChunk(event: Buffer): boolean {
    if (event.indexOf(USAGE_MARK) === -1) return false;
    const said = parseEvent(event);
    const chunk = said === null || this.answerIn === null ? said : this.answerIn(said);
    const parsed = usageIn(chunk);
    const usage = believedUsage(event, parsed);
    if (usage !== null) this.usage = largestOf(this.usage, usage);
    else if (parsed === null) return false;
    this.model = textOf(chunk?.['model']);
    const { choices, error } = chunk ?? {};
    return this.dropUsageChunk && Array.isArray(choices) && choices.length === 0 && (error ?? null) === null;
  }
}

function isFinishedIn(events: Buffer): boolean {
  return holdsField(events, '"finish_reason"', '"');
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** Just past the blank line that ends the first event at or after `from`; -1: none is whole. */
export function endOfFirstEvent(data: Buffer, from: number): number {
  for (let at = data.indexOf(LF, from); at !== -1; at = data.indexOf(LF, at + 1)) {
    if (data[at + 1] === LF) return at + 2;
    if (data[at + 1] === CR && data[at + 2] === LF) return at + 3;
  }
  return -1;
}

/** Just past the blank line that ends the last whole event; 0: none is whole. */
export function endOfLastEvent(data: Buffer): number {
  for (let at = data.length - 1; at > 0; at = data.lastIndexOf(LF, at - 1)) {
    if (data[at] === LF && (data[at - 1] === LF || (data[at - 1] === CR && data[at - 2] === LF))) return at + 1;
  }
  return 0;
}

const NAMED_ERROR = /(?:^|\n)event: ?error\r?\n/;

/** Whether an event says by its name that it is an error. */
export function isNamedError(event: Buffer): boolean {
  return event.includes('event:') && NAMED_ERROR.test(event.toString('latin1'));
}

/** What an event says. */
export function dataOf(event: Buffer): string {
  const text = event.toString('utf8').trimEnd();
  if (!text.includes('\n') && text.startsWith('data:')) return text.slice(5);
  let data = '';
  for (const line of text.split(/\r?\n/)) if (line.startsWith('data:')) data += `${line.slice(5)}\n`;
  return data;
}

/** The JSON object of an event's `data`; null: it holds none, or too much. */
export function parseEvent(event: Buffer): Fields | null {
  const data = dataOf(event);
  if (data === '') return null;
  try {
    return fieldsOf(parseBounded(data));
  } catch {
    return null;
  }
}

/** The same in steps, for a large event. */
export function* parseEventSteps(event: Buffer): Steps<Fields | null> {
  const data = dataOf(event);
  yield;
  if (data === '' || !(yield* isBoundedSteps(Buffer.from(data)))) return null;
  try {
    return fieldsOf(yield* parseSteps(data));
  } catch {
    return null;
  }
}

function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}
