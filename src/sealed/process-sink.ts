import type { FastifyReply } from 'fastify';
import {
  AnswerReader,
  ReplySink,
  tooMuchToRead,
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
  private readonly reader = new AnswerReader();
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
    return this.inner.isBehind;
  }

  listen(listener: CallSinkListener): void {
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
    const text = this.reader.readBody(body);
    if (text === null) this.end({ outcome: 'UPSTREAM_BROKEN', error: tooMuchToRead() });
    else this.text = text;
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
    const part = this.reader.readEvents(events);
    if (part === '') return true;
    this.text += part;
    return this.inner.write(Buffer.from(eventOf('progress', this.answerOf(part))));
  }

  end(failure: ProviderFailure | null): void {
    if (failure === null) return;
    const { error } = failure;
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
