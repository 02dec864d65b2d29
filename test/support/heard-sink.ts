import type { AnswerHeaders, AnswerSink, ProviderFailure } from '../../src/llm/providers/provider.js';

/** Hears an answer as a call does, and keeps what it heard. */
export class HeardSink implements AnswerSink {
  readonly answers: Buffer[] = [];
  readonly pieces: Buffer[] = [];
  readonly failures: ProviderFailure[] = [];
  hasEnded = false;

  onJson(_headers: AnswerHeaders, answer: Buffer): void {
    this.answers.push(answer);
  }

  onStreamData(_headers: AnswerHeaders, events: Buffer): void {
    this.pieces.push(events);
  }

  onStreamEnd(): void {
    this.hasEnded = true;
  }

  onFailure(failure: ProviderFailure): void {
    this.failures.push(failure);
  }

  onLate(): boolean {
    return false;
  }

  /** The pieces of a stream as they follow each other. */
  get events(): string {
    return Buffer.concat(this.pieces).toString();
  }

  /** An answer, the end of a stream, or a failure. */
  get isOver(): boolean {
    return this.hasEnded || this.answers.length + this.failures.length > 0;
  }
}
