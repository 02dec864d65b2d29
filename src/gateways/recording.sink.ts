import type { AnswerHeaders, Attribution, CallSink, CallSinkListener } from '../llm/index.js';
import type { KeptAnswer } from './kept-answer.js';

type Refusal = Parameters<CallSink['refuse']>[0];
type Failure = Parameters<CallSink['end']>[0];

/**
 * Hands an answer on to the caller, and remembers it up to a number of bytes. It tells afterwards what the caller got, and
 * whether that was a whole answer.
 */
export class RecordingSink implements CallSink {
  private listener: CallSinkListener | null = null;
  private readonly chunks: Buffer[] = [];
  private size = 0;
  private isCut = false;
  private ended: Omit<KeptAnswer, 'body'> | null = null;
  private begun: { readonly headers: AnswerHeaders; readonly model: string } | null = null;

  constructor(
    private readonly sink: CallSink,
    private readonly mostBytes: number,
  ) {}

  get isGone(): boolean {
    return this.sink.isGone;
  }

  get isBehind(): boolean {
    return this.sink.isBehind;
  }

  /** The call's id in the ledger; null: it was not admitted. */
  get callId(): string | null {
    return this.listener?.settlement().id ?? null;
  }

  /** The answer, as far as it was remembered; null: nothing was. */
  get seen(): Buffer | null {
    return this.size === 0 ? null : Buffer.concat(this.chunks);
  }

  /** The whole answer; null: it failed, was broken off, or is too long. */
  get answer(): KeptAnswer | null {
    return this.ended === null || this.isCut ? null : { ...this.ended, body: Buffer.concat(this.chunks) };
  }

  listen(listener: CallSinkListener): void {
    this.listener = listener;
    this.sink.listen(listener);
  }

  json(headers: AnswerHeaders, body: Buffer, by: Attribution): void {
    this.remember(body);
    this.ended = { form: 'json', headers, model: by.model };
    this.sink.json(headers, body, by);
  }

  refuse(refusal: Refusal, by: Attribution): void {
    this.remember(Buffer.from(JSON.stringify(refusal.body)));
    this.sink.refuse(refusal, by);
  }

  begin(headers: AnswerHeaders, by: Attribution): void {
    this.begun = { headers, model: by.model };
    this.sink.begin(headers, by);
  }

  whenTaken(callback: () => void): void {
    if (this.sink.whenTaken === undefined) callback();
    else this.sink.whenTaken(callback);
  }

  attribute(by: Attribution): void {
    this.sink.attribute(by);
  }

  write(events: Buffer): boolean {
    this.remember(events);
    return this.sink.write(events);
  }

  end(failure: Failure): void {
    if (failure === null && this.begun !== null) this.ended = { form: 'stream', ...this.begun };
    this.sink.end(failure);
  }

  private remember(bytes: Buffer): void {
    const room = this.mostBytes - this.size;
    this.isCut ||= bytes.length > room;
    if (room <= 0) return;
    // A copy: what a provider's answer came in may be used again.
    const kept = Buffer.from(bytes.subarray(0, room));
    this.chunks.push(kept);
    this.size += kept.length;
  }
}
