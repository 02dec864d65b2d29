import type { AnswerHeaders, AnswerSink, ProviderFailure } from '../provider.js';
import { PARSED_BYTES, parseObject } from './answer-bytes.js';
import type { Answer } from './answer-reader.js';
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
  ) {}

  onJson(headers: AnswerHeaders, body: Buffer): void {
    // Of a longer one what it says is not read, as with every kind.
    const answer = body.length <= PARSED_BYTES && this.holdsWords(body) ? parseObject(body) : null;
    this.sink.onJson(headers, answer === null ? body : Buffer.from(JSON.stringify(this.words.read(answer))));
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
