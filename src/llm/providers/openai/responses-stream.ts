import type { Tokenizer } from '../../tokens/tokenizer.js';
import { isObject } from '../requests/chat-request.js';
import type { GatheredAnswer, Gatherer } from './answer-forms.js';
import type { Answer, AnswerStream } from './answer-reader.js';
import { usageIn, type ReportedCounts } from './openai-usage.js';
import { ProducedText } from './produced-text.js';
import { endOfFirstEvent, parseEvent, SseUsageFilter } from './sse-usage-filter.js';

const NOTHING = Buffer.alloc(0);
const LF = 10;
/** In each event that says something. */
const DELTA_MARK = '"delta"';
const DELTAS = /"delta"\s*:\s*"/g;
/** How a stream of the Responses API says what it says. */
export const SAID_IN_DELTAS = [collectResponsesDelta, DELTA_MARK, DELTAS] as const;
/** Types of the event after which none comes. Within a string the quotes would be escaped, and not match. */
const LAST = /"type"\s*:\s*"(?:response\.(completed|incomplete|failed)|error)"/;
const MARKS = ['response.completed', 'response.incomplete', 'response.failed', '"error"'];

/** Reads a stream of the Responses API as it comes: its last event says that it is whole, or failed, and what was used. */
export class ResponsesStream implements AnswerStream {
  ended = false;
  private readonly filter = new SseUsageFilter(false, responseIn);
  private readonly produced = new ProducedText(...SAID_IN_DELTAS);
  /** What was said after the last report; null: nothing was reported. */
  private unreported: ProducedText | null = null;
  /** How the last event ends the stream; null: it has not come. */
  private ending: 'whole' | 'error' | null = null;

  constructor(private readonly tokenizer: Tokenizer) {}

  get model(): string | null {
    return this.filter.model;
  }

  get isWhole(): boolean {
    return this.ended && this.ending === 'whole';
  }

  get failed(): boolean {
    return this.ended && this.ending === 'error';
  }

  get isRefused(): boolean {
    return this.failed && this.estimateOutput() === 0;
  }

  /** What was reported; null: nothing, or nothing of what was said last. */
  get reported(): ReportedCounts | null {
    return (this.unreported?.estimateTokens(this.tokenizer) ?? 0) === 0 ? this.filter.usage : null;
  }

  push(chunk: Buffer): Buffer {
    return this.ended ? NOTHING : this.take(this.filter.push(chunk));
  }

  end(): Buffer {
    if (this.ended) return NOTHING;
    const rest = this.filter.end();
    if (parseEvent(rest) === null) return NOTHING;
    // The blank line that the last event lacks.
    return this.take(Buffer.concat([rest, Buffer.from(rest.at(-1) === LF ? '\n' : '\n\n')]));
  }

  estimateOutput(): number {
    return Math.max(this.produced.estimateTokens(this.tokenizer), this.filter.usage?.outputTokens ?? 0);
  }

  private take(events: Buffer): Buffer {
    if (events.length === 0) return NOTHING;
    this.produced.add(events);
    const { afterReport } = this.filter;
    if (afterReport !== null) this.unreported = ProducedText.of(afterReport, ...SAID_IN_DELTAS);
    else this.unreported?.add(events);
    if (this.ending === null && MARKS.some((mark) => events.includes(mark))) this.ending = endingIn(events);
    // An event that is too long to be kept comes in pieces.
    this.ended = this.ending !== null && isAtBoundary(events);
    return events;
  }
}

function endingIn(events: Buffer): 'whole' | 'error' | null {
  for (let start = 0; start < events.length;) {
    const end = endOfFirstEvent(events, start);
    const event = events.subarray(start, end === -1 ? events.length : end);
    start += event.length;
    const type = parseEvent(event)?.['type'];
    // A piece of a long event is not JSON: its type is at its beginning.
    const last = typeof type === 'string' ? LAST.exec(`"type":"${type}"`) : LAST.exec(event.toString('latin1', 0, 256));
    if (last !== null) return last[1] === undefined || last[1] === 'failed' ? 'error' : 'whole';
  }
  return null;
}

function isAtBoundary(events: Buffer): boolean {
  return events.at(-1) === LF && /\n\r?\n$/.test(events.toString('latin1', Math.max(0, events.length - 3)));
}

/** Where the model and the usage stand in an event. */
function responseIn(event: Answer): Answer {
  return isObject(event['response']) ? event['response'] : event;
}

/** Texts come in the `delta` of events whose type ends so; sound comes by the same name. */
function collectResponsesDelta(event: Answer, texts: string[]): void {
  const { type, delta } = event;
  if (typeof type === 'string' && typeof delta === 'string' && type.endsWith('.delta') && !type.includes('audio.delta'))
    texts.push(delta);
}

/** Takes the whole response that stands in a stream's last event. */
export class ResponseGatherer implements Gatherer {
  private answer: GatheredAnswer | null = null;

  add(event: Answer): ReportedCounts | null {
    if (this.answer !== null && (this.answer.isWhole || this.answer.error !== null)) return null;
    const { type, response } = event;
    if (type === 'error') this.answer = { answer: {}, error: event, isWhole: false };
    else if (isObject(response) && typeof type === 'string' && LAST_TYPE.test(type))
      this.answer = { answer: response, error: null, isWhole: true };
    else this.answer = { answer: {}, error: null, isWhole: false };
    return usageIn(responseIn(event));
  }

  mark(): void {
    // Its last event says that it is whole.
  }

  gathered(): GatheredAnswer | null {
    return this.answer;
  }
}

const LAST_TYPE = /^response\.(?:completed|incomplete|failed)$/;
