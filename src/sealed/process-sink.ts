import type { FastifyReply } from 'fastify';
import type { Steps } from '../platform/json/index.js';
import {
  AnswerTexts,
  ReplySink,
  tooMuchToRead,
  writeEvents,
  type AnswerHeaders,
  type Attribution,
  type CallSink,
  type CallSinkListener,
  type ProviderFailure,
  type ProviderRefusal,
} from '../llm/index.js';
import { processError } from './sealed-dialects.js';

interface Failure {
  readonly message: string;
  readonly status: number;
}

/** Turns a completion into an answer of `/process`: parts of a stream are sent at once, a whole answer when the call is over. */
export class ProcessSink implements CallSink {
  text = '';
  failure: Failure | null = null;
  /** Whether the answer is a stream that has begun. */
  isStreaming = false;
  private readonly texts = new AnswerTexts({
    onText: (text) => this.take(text),
    onCaughtUp: () => {
      if (!this.inner.isBehind) this.listener?.onCaughtUp();
    },
  });
  private listener: CallSinkListener | null = null;
  private readonly inner: ReplySink;

  constructor(
    private readonly reply: FastifyReply,
    private readonly usage: () => object,
  ) {
    this.inner = new ReplySink(reply);
  }

  get isGone(): boolean {
    return this.inner.isGone;
  }

  get isBehind(): boolean {
    return this.inner.isBehind || this.texts.isBehind;
  }

  listen(listener: CallSinkListener): void {
    this.listener = listener;
    this.inner.listen(listener);
  }

  whenTaken(callback: () => void): void {
    this.inner.whenTaken(callback);
  }

  attribute(by: Attribution): void {
    this.inner.attribute(by);
  }

  json(_headers: AnswerHeaders, body: Buffer, by: Attribution): void {
    this.attribute(by);
    this.texts.takeBody(body);
  }

  refuse({ status, body }: ProviderRefusal, by: Attribution): void {
    this.attribute(by);
    this.failure = { status, message: body.error.message };
  }

  begin(headers: AnswerHeaders, by: Attribution): void {
    this.isStreaming = true;
    this.inner.begin(headers, by);
  }

  write(events: Buffer): boolean {
    return this.texts.takeEvents(events) && !this.inner.isBehind;
  }

  end(failure: ProviderFailure | null): void {
    if (failure !== null) this.texts.afterwards(() => this.fail(failure));
  }

  /** Resolves once all that came is read. */
  read(): Promise<void> {
    return new Promise((resolve) => this.texts.afterwards(resolve));
  }

  private take(text: string | null): Steps<void> | null {
    if (text === null) this.fail({ outcome: 'UPSTREAM_BROKEN', error: tooMuchToRead() });
    else this.text += text;
    if (text === null || !this.isStreaming || this.isGone) return null;
    return writeEvents([{ name: 'progress', data: this.answerOf(text) }], (bytes) => {
      if (!this.isGone) this.inner.write(bytes);
    });
  }

  private fail({ error }: ProviderFailure): void {
    this.failure = { status: error.status, message: 'body' in error ? error.body.error.message : error.message };
  }

  answerOf(text: string, conversationState?: string): object {
    return {
      outputs: [{ text: { index: 0, role: 'assistant', content: text } }],
      ...(conversationState === undefined ? {} : { conversationState }),
      usage: this.usage(),
    };
  }

  /** Ends the answer after its call. */
  finish(conversationState: string): void {
    const { reply, failure } = this;
    if (this.isGone) return;
    if (this.isStreaming) {
      const last =
        failure === null
          ? eventOf('final', this.answerOf(this.text, conversationState))
          : eventOf('error', processError(failure.message, failure.status));
      reply.raw.end(last);
      return;
    }
    void reply
      .code(failure?.status ?? 200)
      .header('content-type', 'application/json; charset=utf-8')
      .send(
        JSON.stringify(
          failure === null
            ? this.answerOf(this.text, conversationState)
            : processError(failure.message, failure.status),
        ),
      );
  }
}

function eventOf(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
