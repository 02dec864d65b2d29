import { inTurns } from '../../../platform/http/index.js';
import { allAtOnce, type Steps } from '../../../platform/json/index.js';
import type { AnswerHeaders, AnswerSink, ProviderFailure } from '../provider.js';
import { objectSteps, PARSED_BYTES, SMALL_BYTES } from './answer-bytes.js';
import type { Answer } from './answer-reader.js';
import { notTaken, writtenSteps, type Turns } from './large-answer.js';
import { endOfFirstEvent, parseEvent } from './sse-usage-filter.js';

/** A kind's own words in the answers of chat. */
export interface AnswerWords {
  /** In each answer, or event of one, that holds some. */
  readonly mark: RegExp;
  /** The same in OpenAI's words. */
  read(answer: Answer): Answer;
}

/** Hands answers on in OpenAI's words. What holds none of the kind's own stays as it is, byte for byte. */
export class WordsSink implements AnswerSink {
  constructor(
    private readonly sink: AnswerSink,
    private readonly words: AnswerWords,
    private readonly turn: Turns,
  ) {}

  onJson(headers: AnswerHeaders, body: Buffer): void {
    if (body.length <= SMALL_BYTES) this.sink.onJson(headers, allAtOnce(this.readSteps(body)));
    else
      inTurns(this.readSteps(body), this.turn)
        .then((read) => this.sink.onJson(headers, read))
        .catch((reason: unknown) => this.sink.onFailure(notTaken(reason)));
  }

  onStreamData(headers: AnswerHeaders, events: Buffer): void {
    this.sink.onStreamData(headers, this.holdsWords(events) ? this.read(events) : events);
  }

  onStreamEnd(): void {
    this.sink.onStreamEnd();
  }

  onFailure(failure: ProviderFailure): void {
    this.sink.onFailure(failure);
  }

  onLate(failure: ProviderFailure): boolean {
    return this.sink.onLate(failure);
  }

  onKept(bytes: number): boolean {
    return this.sink.onKept?.(bytes) !== false;
  }

  private *readSteps(body: Buffer): Steps<Buffer> {
    // Of a longer one what it says is not read, as with every kind.
    if (body.length > PARSED_BYTES || !this.holdsWords(body)) return body;
    yield;
    const answer = yield* objectSteps(body);
    if (answer === null || answer === 'too much') return body;
    return yield* writtenSteps(this.words.read(answer), body.length);
  }

  private holdsWords(bytes: Buffer): boolean {
    return this.words.mark.test(bytes.toString('latin1'));
  }

  private read(events: Buffer): Buffer {
    const read: Buffer[] = [];
    for (let start = 0; start < events.length;) {
      const end = endOfFirstEvent(events, start);
      const event = events.subarray(start, end === -1 ? events.length : end);
      start += event.length;
      const chunk = this.holdsWords(event) ? parseEvent(event) : null;
      read.push(chunk === null ? event : Buffer.from(`data: ${JSON.stringify(this.words.read(chunk))}\n\n`));
    }
    return Buffer.concat(read);
  }
}
