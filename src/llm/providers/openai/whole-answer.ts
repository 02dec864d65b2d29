import type { Steps } from '../../../platform/json/index.js';
import type { ProviderRequest } from '../requests/request-fields.js';
import type { AnswerReader } from './answer-reader.js';
import type { KeptBody } from './kept-body.js';
import { COUNTED_MARKS, isEvents, isObjectText, withoutBlank } from './answer-bytes.js';
import type { GatheredAnswer, Gatherer } from './answer-forms.js';
import { LineEnds } from './line-ends.js';
import { believedUsage, LongEvent } from './long-event.js';
import { endOfMark } from './openai-stream.js';
import { largestOf, type ReportedCounts } from './openai-usage.js';
import { endOfFirstEvent, parseEvent, parseEventSteps } from './sse-usage-filter.js';

const NOTHING: Buffer = Buffer.alloc(0);
/** By so many bytes events are told from an object. */
const TELLING_BYTES = 8;
/** What an answer reports is read as it comes from here on; a shorter one is parsed in a moment. */
const READ_ON_BYTES = 1024 * 1024;
/** A stream of so many pieces is put together; one of 131,072 tokens has half of that. */
const MOST_MARKS = 4_000_000;
/** A longer event is read step by step. It is more than two buffers that arrive, which hold a whole event and half of one. */
export const SMALL_EVENT_BYTES = 128 * 1024;
/** The blank line between events may be cut at any of its bytes. */
const OVERLAP_BYTES = 3;

/**
 * What comes for a call that asked for one whole answer. It is read piece by piece as it comes: at its end a long one would hold
 * up every other call of the process.
 */
export class WholeAnswer {
  /** Its media type says so; an object is one whatever its type says. */
  isSaidStream = false;
  /** Events came instead of an object; null: none did, or nothing yet. */
  stream: GatheredStream | null = null;
  /** Of an object of more than a MiB; null: it is shorter. */
  private long: LongEvent | null = null;
  private head: Buffer | null = NOTHING;
  private size = 0;

  /** @param kept holds all that was pushed before, as long as an object is not long */
  constructor(
    private readonly reader: Pick<AnswerReader<ProviderRequest>, 'gatherer' | 'parsedBytes'>,
    private readonly kept: Pick<KeptBody, 'all'>,
  ) {}

  /** @returns false: `readSteps` has a large event to read. What comes meanwhile waits. */
  push(chunk: Buffer): boolean {
    if (this.head === null) return this.take(chunk);
    this.head = withoutBlank(this.head.length === 0 ? chunk : Buffer.concat([this.head, chunk]));
    return this.head.length < TELLING_BYTES || this.tell(this.head);
  }

  *readSteps(): Steps<void> {
    if (this.stream !== null) yield* this.stream.readSteps();
  }

  /** It has ended, whole or not: reads what is left of a stream. */
  *endSteps(): Steps<void> {
    if (this.head !== null) this.tell(this.head);
    if (this.stream !== null) yield* this.stream.endSteps();
  }

  /** What an object reports that is not parsed. */
  longOf(body: Buffer): LongEvent {
    if (this.long !== null) return this.long;
    const read = new LongEvent();
    read.add(body);
    return read;
  }

  private tell(head: Buffer): boolean {
    this.head = null;
    if (isEvents(head) || (this.isSaidStream && !isObjectText(head)))
      this.stream = new GatheredStream(this.reader.gatherer(), this.reader.parsedBytes);
    return this.take(head);
  }

  private take(chunk: Buffer): boolean {
    if (this.stream !== null) return this.stream.push(chunk);
    const isFirst = this.size === 0;
    this.size += chunk.length;
    if (this.long === null) {
      if (this.size <= READ_ON_BYTES) return true;
      this.long = new LongEvent();
      if (!isFirst) this.long.add(this.kept.all());
    }
    this.long.add(chunk);
    return true;
  }
}

/** A stream that came for such a call: each event is added to the answer as soon as it is whole. */
export class GatheredStream {
  /** Its end mark came. */
  isMarked = false;
  /** It holds more than is put together. */
  isTooMuch = false;
  reported: ReportedCounts | null = null;
  private readonly lineEnds = new LineEnds();
  /** What came, and was not looked at yet. */
  private readonly arrived: Buffer[] = [];
  /** Of a large event, so far; null: all that came was read. */
  private reading: Steps<void> | null = null;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private tail = NOTHING;
  private marks = 0;

  constructor(
    private readonly gatherer: Gatherer,
    private readonly mostEventBytes: number,
  ) {}

  get gathered(): GatheredAnswer | null {
    return this.gatherer.gathered();
  }

  /** @returns false: `readSteps` has a large event to read */
  push(chunk: Buffer): boolean {
    this.arrived.push(this.lineEnds.push(chunk));
    if (this.reading !== null) return false;
    const reading = this.readArrived();
    if (reading.next().done !== true) this.reading = reading;
    return this.reading === null;
  }

  /** Reads what is left of what came. */
  *readSteps(): Steps<void> {
    while (this.reading?.next().done === false) yield;
    this.reading = null;
  }

  *endSteps(): Steps<void> {
    yield* this.readSteps();
    yield* this.take(this.lineEnds.end());
    if (this.pendingBytes > 0 && !this.isOver()) yield* this.add(Buffer.concat(this.pending));
    this.pending = [];
    this.pendingBytes = 0;
  }

  private isOver(): boolean {
    return this.isMarked || this.isTooMuch;
  }

  private *readArrived(): Steps<void> {
    for (let bytes = this.arrived.shift(); bytes !== undefined; bytes = this.arrived.shift()) yield* this.take(bytes);
  }

  private *take(bytes: Buffer): Steps<void> {
    if (bytes.length === 0 || this.isOver()) return;
    for (const byte of bytes) this.marks += COUNTED_MARKS[byte] as number;
    this.isTooMuch = this.marks > MOST_MARKS || this.pendingBytes > this.mostEventBytes;
    if (this.isTooMuch) return;
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
    // An event of many pieces is put together once, when its end is there.
    const seam = Buffer.concat([this.tail, bytes.subarray(0, OVERLAP_BYTES)]);
    this.tail = bytes.length < OVERLAP_BYTES ? seam.subarray(-OVERLAP_BYTES) : bytes.subarray(-OVERLAP_BYTES);
    if (endOfFirstEvent(seam, 0) === -1 && endOfFirstEvent(bytes, 0) === -1) return;
    if (this.pendingBytes > SMALL_EVENT_BYTES) yield;
    const data = this.pending.length === 1 ? bytes : Buffer.concat(this.pending);
    let start = 0;
    for (let end = endOfFirstEvent(data, 0); end !== -1 && !this.isOver(); end = endOfFirstEvent(data, start)) {
      yield* this.add(data.subarray(start, end));
      start = end;
    }
    const rest = data.subarray(start);
    this.pending = rest.length === 0 ? [] : [rest];
    this.pendingBytes = rest.length;
  }

  private *add(bytes: Buffer): Steps<void> {
    const event = bytes.length > SMALL_EVENT_BYTES ? yield* parseEventSteps(bytes) : parseEvent(bytes);
    if (event === null) {
      this.isMarked = endOfMark(bytes) !== -1;
      if (this.isMarked) this.gatherer.mark();
      return;
    }
    const usage = believedUsage(bytes, this.gatherer.add(event));
    if (usage !== null) this.reported = largestOf(this.reported, usage);
  }
}
