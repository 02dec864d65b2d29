import type { Tokenizer } from '../../tokens/tokenizer.js';
import type { ReportedCounts } from './openai-usage.js';
import { ProducedText } from './produced-text.js';
import { endOfFirstEvent, SseUsageFilter } from './sse-usage-filter.js';
import { withErrorsTold } from './stream-errors.js';

const NOTHING = Buffer.alloc(0);
const MARK = '[DONE]';
const MARK_EVENT = /(?:^|\n)data:[ \t]*$/;
const USUAL_PREFIX = 'data: ';
/** More blanks before a mark are not expected. */
const LONGEST_PREFIX = 32;

/**
 * Reads a stream of OpenAI's chunks as it comes: which events are whole, where it ends, what it reports, what it says.
 * What follows the end mark is nothing of the answer.
 */
export class OpenaiStream {
  /** The end mark came. */
  ended = false;
  private readonly filter: SseUsageFilter;
  private readonly produced = new ProducedText();
  /** What was said after the last report; null: nothing was reported. */
  private unreported: ProducedText | null = null;
  /** The provider's own error stands in it. */
  failed = false;

  constructor(
    dropUsageChunk: boolean,
    private readonly tokenizer: Tokenizer,
  ) {
    this.filter = new SseUsageFilter(dropUsageChunk);
  }

  get model(): string | null {
    return this.filter.model;
  }

  /** A choice has come to its end, so that a stream that ends now is a whole one, with its end mark or without. */
  get isWhole(): boolean {
    return this.ended || this.filter.finished;
  }

  /** @returns the events that are whole now; may be empty */
  push(chunk: Buffer): Buffer {
    return this.ended ? NOTHING : this.take(this.filter.push(chunk));
  }

  /**
   * The source has ended.
   *
   * @returns what was left of it that can be read: an event without its blank line, where it is the last one
   */
  end(): Buffer {
    if (this.ended) return NOTHING;
    const rest = this.filter.end();
    // A piece of an event is worth nothing, and what we have to say after it could not be read.
    return endOfMark(rest) !== -1 || withErrorsTold(rest) !== null ? this.take(rest) : NOTHING;
  }

  /** An error came, and nothing that was produced before it. */
  get isRefused(): boolean {
    return this.failed && this.estimateOutput() === 0;
  }

  /** What was reported; null: nothing, or nothing of what was said last. */
  get reported(): ReportedCounts | null {
    return (this.unreported?.estimateTokens(this.tokenizer) ?? 0) === 0 ? this.filter.usage : null;
  }

  /** Output tokens, counted from what was said; not less than was reported. */
  estimateOutput(): number {
    return Math.max(this.produced.estimateTokens(this.tokenizer), this.filter.usage?.outputTokens ?? 0);
  }

  private take(events: Buffer): Buffer {
    const end = endOfMark(events);
    this.ended = end !== -1;
    const taken = this.ended ? withUsualMark(events.subarray(0, end)) : events;
    if (this.filter.afterReport !== null) {
      this.unreported = ProducedText.of(this.filter.afterReport);
    } else {
      this.unreported?.add(taken);
    }
    if (taken.length === 0) return NOTHING;
    this.produced.add(taken);
    const told = taken.includes('error') ? withErrorsTold(taken) : null;
    this.failed ||= told !== null;
    return this.ended && this.failed ? withoutMark(told ?? taken) : (told ?? taken);
  }
}

/** Clients take an answer for whole by its mark, also one that failed. */
function withoutMark(events: Buffer): Buffer {
  return events.subarray(0, events.lastIndexOf('data:'));
}

/** Clients read a mark behind several blanks as JSON. */
function withUsualMark(events: Buffer): Buffer {
  const at = events.lastIndexOf(MARK);
  const line = events.lastIndexOf('data:', at);
  if (at - line <= USUAL_PREFIX.length) return events;
  return Buffer.concat([events.subarray(0, line), Buffer.from(USUAL_PREFIX), events.subarray(at)]);
}

/** Just past the end mark's event; -1: it is not there. */
export function endOfMark(events: Buffer): number {
  for (let at = events.indexOf(MARK); at !== -1; at = events.indexOf(MARK, at + 1)) {
    if (!MARK_EVENT.test(events.toString('latin1', Math.max(0, at - LONGEST_PREFIX), at))) continue;
    const end = endOfFirstEvent(events, at);
    return end === -1 ? events.length : end;
  }
  return -1;
}
