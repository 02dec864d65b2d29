import { outputFieldOf, type KnownModels } from '../../models/model-facts.js';
import type { ModelCatalogue } from '../../models/model-catalogue.js';
import { inTurns } from '../../../platform/http/index.js';
import { allAtOnce, type Steps } from '../../../platform/json/index.js';
import {
  isRequestOf,
  NOTHING_USED,
  type AnswerHeaders,
  type AnswerSink,
  type Attempt,
  type OperationName,
  type OperationRequests,
  type Provider,
  type ProviderFailure,
  type TokenUsage,
} from '../provider.js';
import { objectSteps, PARSED_BYTES, SMALL_BYTES } from '../openai/answer-bytes.js';
import { writeEvents } from '../openai/event-steps.js';
import { noObject, notTaken, tooMuch, turnsOf, writtenSteps, type Turns } from '../openai/large-answer.js';
import { endOfMark } from '../openai/openai-stream.js';
import { OrderedWork } from '../openai/ordered-work.js';
import { endOfFirstEvent, parseEvent, parseEventSteps } from '../openai/sse-usage-filter.js';
import { SMALL_EVENT_BYTES } from '../openai/whole-answer.js';
import { WholeEvents } from '../openai/whole-events.js';
import { isObject } from '../requests/chat-request.js';
import type { ResponsesRequest } from '../requests/responses-request.js';
import { chatOf } from './chat-of-responses.js';
import { NO_EVENTS, NumberedEvents } from './response-events.js';
import { ResponseOfChat, errorOf } from './response-of-chat.js';

const JSON_TYPE = 'application/json';

type Fields = Readonly<Record<string, unknown>>;

/** A provider that has chat completions and no responses, and serves responses by them. It keeps none. */
export class ResponsesByChat implements Provider {
  readonly operations: ReadonlySet<OperationName>;

  constructor(
    private readonly provider: Provider,
    private readonly models: Pick<KnownModels, 'find'>,
  ) {
    this.operations = new Set([...provider.operations, 'responses']);
  }

  get name(): string {
    return this.provider.name;
  }

  get kind(): string {
    return this.provider.kind;
  }

  get catalogue(): ModelCatalogue {
    return this.provider.catalogue;
  }

  /** @throws Fault invalid_input, naming the field that can't be carried */
  start<Name extends OperationName>(operation: Name, request: OperationRequests[Name], sink: AnswerSink): Attempt {
    if (!isRequestOf('responses', operation, request)) return this.provider.start(operation, request, sink);
    const chat = chatOf(request, outputFieldOf(request.model, this.models.find(request.model)));
    const translated = new TranslatedResponse(request, sink, turnsOf(this.provider));
    translated.chat = this.provider.start('chat', chat, translated);
    return translated;
  }
}

/** Takes a chat's answer, and hands it on as a response. */
export class TranslatedResponse implements AnswerSink, Attempt {
  chat: Attempt | null = null;
  private readonly events = new NumberedEvents();
  private readonly work: OrderedWork;
  private readonly response: ResponseOfChat;
  private headers: AnswerHeaders = {};
  private readonly whole = new WholeEvents();
  private hasBegun = false;
  private isOver = false;
  private isAborted = false;
  private isPaused = false;
  /** The provider's own error, that stood in the stream. */
  private said: { readonly code: string; readonly message: string } | null = null;

  constructor(
    request: ResponsesRequest,
    private readonly sink: AnswerSink,
    private readonly turn: Turns,
  ) {
    this.response = new ResponseOfChat(request, request.stream ? this.events : NO_EVENTS);
    this.work = new OrderedWork(turn, {
      onBusy: () => this.chat?.pause(),
      onDone: () => {
        if (!this.isPaused) this.chat?.resume();
      },
      onFailed: (reason) => {
        this.chat?.abort();
        this.sink.onFailure(notTaken(reason));
      },
    });
  }

  get status(): number | null {
    return this.chat?.status ?? null;
  }

  get answeredBy(): string | null {
    return this.chat?.answeredBy ?? null;
  }

  get complete(): boolean {
    return this.chat?.complete === true && !this.work.isBusy;
  }

  usage(): TokenUsage {
    return this.chat?.usage() ?? NOTHING_USED;
  }

  abort(): void {
    this.isAborted = true;
    this.work.stop();
    this.chat?.abort();
  }

  pause(): void {
    this.isPaused = true;
    this.work.pause();
    this.chat?.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.work.resume();
    if (!this.work.isBusy) this.chat?.resume();
  }

  onJson(headers: AnswerHeaders, body: Buffer): void {
    if (body.length > PARSED_BYTES) return this.sink.onFailure(tooMuch());
    if (body.length <= SMALL_BYTES) return this.endJson(headers, allAtOnce(this.translate(body)));
    inTurns(this.translate(body), this.turn)
      .then((response) => {
        if (!this.isAborted) this.endJson(headers, response);
      })
      .catch((reason: unknown) => {
        if (!this.isAborted) this.sink.onFailure(notTaken(reason));
      });
  }

  onStreamData(headers: AnswerHeaders, events: Buffer): void {
    if (this.isOver) return;
    this.headers = headers;
    const data = this.whole.push(events);
    if (data.length > 0) this.work.do(() => this.read(data));
  }

  onStreamEnd(): void {
    this.work.do(() => {
      if (!this.isOver) this.finish();
      return this.write();
    });
    this.work.do(() => {
      this.sink.onStreamEnd();
      return null;
    });
  }

  /** A stream that has begun tells of it by its own last event. */
  onFailure(failure: ProviderFailure): void {
    let told = failure;
    this.work.do(() => {
      if (!this.hasBegun || this.isOver) return null;
      this.isOver = true;
      told = { ...failure, told: true };
      this.response.fail(this.said ?? errorOf(failure), this.usage());
      return this.write();
    });
    this.work.do(() => {
      this.sink.onFailure(told);
      return null;
    });
  }

  onLate(failure: ProviderFailure): boolean {
    return this.sink.onLate(failure);
  }

  onKept(bytes: number): boolean {
    return this.sink.onKept?.(bytes) !== false;
  }

  private *translate(body: Buffer): Steps<Buffer | ProviderFailure> {
    const answer = yield* objectSteps(body);
    if (answer === null || answer === 'too much') return noObject();
    this.response.add(answer);
    return yield* writtenSteps(this.response.end(this.usage()), body.length);
  }

  private endJson(headers: AnswerHeaders, response: Buffer | ProviderFailure): void {
    if (Buffer.isBuffer(response)) this.sink.onJson({ ...headers, 'content-type': JSON_TYPE }, response);
    else this.sink.onFailure(response);
  }

  /** @param data whole events */
  private read(data: Buffer): Steps<void> | null {
    if (data.length > SMALL_EVENT_BYTES) return this.readSteps(data);
    let start = 0;
    for (let end = endOfFirstEvent(data, 0); end !== -1; end = endOfFirstEvent(data, start)) {
      const event = data.subarray(start, end);
      this.take(event, parseEvent(event));
      start = end;
    }
    return this.write();
  }

  private *readSteps(data: Buffer): Steps<void> {
    let start = 0;
    for (let end = endOfFirstEvent(data, 0); end !== -1; end = endOfFirstEvent(data, start)) {
      const event = data.subarray(start, end);
      const isLarge = event.length > SMALL_EVENT_BYTES;
      this.take(event, isLarge ? yield* parseEventSteps(event) : parseEvent(event));
      start = end;
      yield;
      if (isLarge) yield* this.write() ?? [];
    }
    yield* this.write() ?? [];
  }

  /** @param chunk what the event holds; null: it is not an object */
  private take(event: Buffer, chunk: Fields | null): void {
    // What follows the end mark is nothing of the answer.
    if (this.isOver) return;
    if (chunk === null) {
      if (endOfMark(event) !== -1) this.finish();
      return;
    }
    this.begin();
    if (isObject(chunk['error'])) {
      const { code, message } = chunk['error'];
      this.said = {
        code: typeof code === 'string' ? code : 'server_error',
        message: typeof message === 'string' ? message : 'The model provider ended the stream with an error.',
      };
    } else this.response.add(chunk);
  }

  private begin(): void {
    if (this.hasBegun) return;
    this.hasBegun = true;
    this.response.begin();
  }

  private finish(): void {
    this.begin();
    this.isOver = true;
    this.response.end(this.usage());
  }

  private write(): Steps<void> | null {
    const events = this.events.take();
    return events.length === 0 ? null : writeEvents(events, (bytes) => this.sink.onStreamData(this.headers, bytes));
  }
}
