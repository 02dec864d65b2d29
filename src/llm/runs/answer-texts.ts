import { allAtOnce, type Steps } from '../../platform/json/index.js';
import { objectSteps, PARSED_BYTES, SMALL_BYTES } from '../providers/openai/answer-bytes.js';
import { turnsOf } from '../providers/openai/large-answer.js';
import { OrderedWork } from '../providers/openai/ordered-work.js';
import { AnswerReader } from './answer-reader.js';

/** What an answer's reader is told, in this order. */
export interface TextsListener {
  /** @param text null: the answer holds too much to be read */
  onText(text: string | null): Steps<void> | null;
  /** More of the stream can be taken. */
  onCaughtUp(): void;
}

/** Takes the texts of one answer in their order: what is small at once, and what is large in turns. */
export class AnswerTexts {
  readonly reader = new AnswerReader();
  private readonly work: OrderedWork;

  constructor(private readonly listener: TextsListener) {
    this.work = new OrderedWork(turnsOf(this), {
      onBusy: () => undefined,
      onDone: () => listener.onCaughtUp(),
      onFailed: () => listener.onText(null),
    });
  }

  get isBehind(): boolean {
    return this.work.isBusy;
  }

  /** @returns false: they are large, and `onCaughtUp` follows */
  takeEvents(pieces: Buffer): boolean {
    this.work.do(() => {
      const reading = this.reader.readEvents(pieces);
      return typeof reading === 'string' ? this.tell(reading) : this.tellSteps(reading);
    });
    return !this.work.isBusy;
  }

  takeBody(body: Buffer): void {
    this.work.do(() => {
      const reading = this.bodySteps(body);
      if (body.length > SMALL_BYTES) return reading;
      allAtOnce(reading);
      return null;
    });
  }

  /** Does this after all that came before it. */
  afterwards(what: () => void): void {
    this.work.do(() => {
      what();
      return null;
    });
  }

  private tell(text: string): Steps<void> | null {
    return text === '' ? null : this.listener.onText(text);
  }

  private *tellSteps(reading: Steps<string>): Steps<void> {
    yield* this.tell(yield* reading) ?? [];
  }

  private *bodySteps(body: Buffer): Steps<void> {
    const answer = body.length > PARSED_BYTES ? 'too much' : yield* objectSteps(body);
    const text = answer === null || answer === 'too much' ? null : this.reader.readAnswer(answer);
    yield* this.listener.onText(text) ?? [];
  }
}
