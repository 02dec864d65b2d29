import { randomBytes } from 'node:crypto';
import { Fault } from '../../../platform/errors/index.js';
import { ModelCatalogue } from '../../models/model-catalogue.js';
import type { Tokenizer } from '../../tokens/tokenizer.js';
import {
  NOTHING_USED,
  type AnswerHeaders,
  type AnswerSink,
  type Attempt,
  type OperationName,
  type OperationRequests,
  type Provider,
  type TokenUsage,
} from '../provider.js';
import { Pause } from '../pause.js';
import type { ChatRequest } from '../requests/chat-request.js';
import { composeDummyAnswer, type DummyAnswer } from './dummy-answer.js';
import { DummyEmbeddings } from './dummy-embeddings.js';

export const DUMMY_MODEL = 'dummy';

/**
 * The built-in provider: echoes what it was told, without a network, so that everything else can be tried. Its calls go
 * the way of all others, ledger included; its token counts are real counts of what was said.
 */
export class DummyProvider implements Provider {
  readonly name = 'dummy';
  readonly kind = 'dummy';
  readonly operations: ReadonlySet<OperationName> = new Set(['chat', 'embeddings']);
  readonly catalogue = ModelCatalogue.of('dummy', [DUMMY_MODEL]);

  constructor(private readonly tokenizer: Tokenizer) {}

  start<Name extends OperationName>(operation: Name, request: OperationRequests[Name], sink: AnswerSink): Attempt {
    const start: Start<Name> | null = ATTEMPTS[operation];
    if (start === null) throw new Error(`The dummy has no ${operation}.`);
    const attempt = start(request, sink, this.tokenizer);
    void attempt.run();
    return attempt;
  }
}

type Start<Name extends OperationName> = (
  request: OperationRequests[Name],
  sink: AnswerSink,
  tokenizer: Tokenizer,
) => Attempt & { run(): Promise<void> };

type Attempts = { readonly [Name in OperationName]: Start<Name> | null };

const ATTEMPTS: Attempts = {
  chat: (request, sink, tokenizer) => new DummyAttempt(request, sink, tokenizer),
  embeddings: (request, sink, tokenizer) => new DummyEmbeddings(request, sink, tokenizer),
  responses: null,
};

const JSON_HEADERS: AnswerHeaders = { 'content-type': 'application/json' };
const STREAM_HEADERS: AnswerHeaders = {};
const WORDS = /\s*\S+|\s+$/g;

class DummyAttempt implements Attempt {
  readonly status = 200;
  readonly answeredBy = null;
  complete = false;
  private readonly id = `chatcmpl-${randomBytes(12).toString('hex')}`;
  private readonly created = Math.floor(Date.now() / 1000);
  private answer: DummyAnswer | null = null;
  private said = '';
  private aborted = false;
  private readonly rest = new Pause();

  constructor(
    private readonly request: ChatRequest,
    private readonly sink: AnswerSink,
    private readonly tokenizer: Tokenizer,
  ) {}

  async run(): Promise<void> {
    try {
      await this.tokenizer.load();
      if (this.aborted) return;
      this.answer = composeDummyAnswer(this.request, this.tokenizer);
      if (this.request.stream) await this.stream(this.answer);
      else this.sink.onJson(JSON_HEADERS, Buffer.from(JSON.stringify(this.completion(this.answer))));
    } catch (error) {
      const fault = new Fault('internal', 'An internal error occurred.', { cause: error });
      if (!this.aborted) this.sink.onFailure({ outcome: 'UPSTREAM_ERROR', error: fault });
    }
  }

  usage(): TokenUsage {
    if (this.answer === null) return NOTHING_USED;
    const { inputTokens, outputTokens } = this.answer;
    const whole = !this.request.stream || this.complete;
    const perChoice = whole ? outputTokens : Math.min(this.tokenizer.count(this.said), outputTokens);
    return { ...NOTHING_USED, inputTokens, outputTokens: perChoice * this.request.choices };
  }

  abort(): void {
    this.aborted = true;
    this.rest.resume();
  }

  pause(): void {
    this.rest.begin();
  }

  resume(): void {
    this.rest.resume();
  }

  private async stream(answer: DummyAnswer): Promise<void> {
    const { choices } = this.request;
    const pieces = answer.text?.match(WORDS) ?? [];
    this.say(choices, { role: 'assistant', content: answer.text === null ? null : '' });
    if (answer.toolCall !== null) {
      this.say(choices, { tool_calls: [{ index: 0, ...this.renderToolCall(answer.toolCall) }] });
      this.said = answer.toolCall.name + answer.toolCall.arguments;
    }
    for (const piece of pieces) {
      await this.turn();
      if (this.aborted) return;
      this.say(choices, { content: piece });
      this.said += piece;
    }
    this.say(choices, {}, answer.finishReason);
    if (this.request.includeUsage)
      this.send({ ...this.envelope('chat.completion.chunk'), choices: [], usage: this.renderUsage(answer) });
    this.complete = true;
    this.sink.onStreamData(STREAM_HEADERS, Buffer.from('data: [DONE]\n\n'));
    this.sink.onStreamEnd();
  }

  /** Lets others run between two words, and waits where the caller reads slowly. */
  private async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    await this.rest.wait();
  }

  private say(choices: number, delta: object, finishReason: string | null = null): void {
    for (let index = 0; index < choices; index += 1) {
      this.send({
        ...this.envelope('chat.completion.chunk'),
        choices: [{ index, delta, logprobs: null, finish_reason: finishReason }],
        ...(this.request.includeUsage ? { usage: null } : {}),
      });
    }
  }

  private send(chunk: object): void {
    this.sink.onStreamData(STREAM_HEADERS, Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`));
  }

  private completion(answer: DummyAnswer): object {
    const toolCalls = answer.toolCall === null ? {} : { tool_calls: [this.renderToolCall(answer.toolCall)] };
    const message = { role: 'assistant', content: answer.text, refusal: null, ...toolCalls };
    return {
      ...this.envelope('chat.completion'),
      choices: Array.from({ length: this.request.choices }, (_, index) => ({
        index,
        message,
        logprobs: null,
        finish_reason: answer.finishReason,
      })),
      usage: this.renderUsage(answer),
    };
  }

  private envelope(object: string): object {
    return { id: this.id, object, created: this.created, model: this.request.model, system_fingerprint: null };
  }

  private renderToolCall(call: { readonly name: string; readonly arguments: string }): object {
    return { id: `call_${this.id.slice(-24)}`, type: 'function', function: call };
  }

  private renderUsage(answer: DummyAnswer): object {
    const output = answer.outputTokens * this.request.choices;
    return { prompt_tokens: answer.inputTokens, completion_tokens: output, total_tokens: answer.inputTokens + output };
  }
}
