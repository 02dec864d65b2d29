import { Fault, type RunCode } from '../../platform/errors/index.js';
import type { CallSink, CallSinkListener } from '../calls/call-sink.js';
import type { AnswerHeaders, ProviderFailure, ProviderRefusal } from '../providers/provider.js';
import { tooMuchToRead } from '../providers/openai/openai-failure.js';
import type { AnswerReader } from './answer-reader.js';
import { AnswerTexts } from './answer-texts.js';
import type { RunRecord } from './run-record.js';
import type { RunFailure } from './run.types.js';

/** Of all answers of a run; more is not a conversation any more. */
const MOST_CHARACTERS = 4 * 1024 * 1024;

/** Takes one answer of the model into a run's record, as it comes. */
export class RunSink implements CallSink {
  private readonly texts = new AnswerTexts({
    onText: (text) => {
      if (text === null) this.failure ??= failureOf(tooMuchToRead());
      else this.take(text);
      return null;
    },
    onCaughtUp: () => this.listener?.onCaughtUp(),
  });
  failure: RunFailure | null = null;
  isGone = false;
  /** Resolves once the answer is not wanted any more. */
  readonly left: Promise<void>;
  private listener: CallSinkListener | null = null;
  private resolveLeft: () => void = () => undefined;

  constructor(
    readonly record: RunRecord,
    private readonly step: number,
  ) {
    this.left = new Promise((resolve) => {
      this.resolveLeft = resolve;
    });
  }

  get isBehind(): boolean {
    return this.texts.isBehind;
  }

  get answer(): AnswerReader {
    return this.texts.reader;
  }

  listen(listener: CallSinkListener): void {
    this.listener = listener;
  }

  /** The answer is not wanted any more: the provider stops, and what it had produced is charged. */
  leave(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.listener?.onLeft();
    this.resolveLeft();
  }

  json(_headers: AnswerHeaders, body: Buffer): void {
    this.texts.takeBody(body);
  }

  refuse({ body }: ProviderRefusal): void {
    this.failure = { code: body.error.code ?? body.error.type, message: body.error.message };
  }

  attribute(): void {
    // A run's record says nothing of who answered.
  }

  begin(): void {
    // The record takes what comes; there is nothing to prepare.
  }

  write(events: Buffer): boolean {
    return this.texts.takeEvents(events);
  }

  end(failure: ProviderFailure | null): void {
    this.texts.afterwards(() => {
      if (failure !== null) this.failure ??= failureOf(failure.error);
    });
  }

  whenTaken(callback: () => void): void {
    this.texts.afterwards(callback);
  }

  private take(text: string): void {
    const { text: known } = this.record.stepAt(this.step);
    if (known.length + text.length > MOST_CHARACTERS) {
      const code: RunCode = 'answer_too_long';
      this.failure = { code, message: `The answer has more than ${MOST_CHARACTERS} characters.` };
      // Not from within the provider's own call.
      setImmediate(() => this.leave());
      return;
    }
    this.record.add(this.step, known.length, text);
  }
}

export function failureOf(error: Fault | ProviderRefusal): RunFailure {
  if (!(error instanceof Fault))
    return { code: error.body.error.code ?? error.body.error.type, message: error.body.error.message };
  return { code: error.code ?? error.kind, message: error.message };
}
