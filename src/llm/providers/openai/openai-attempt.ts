import type { IncomingHttpHeaders } from 'node:http';
import { OutboundError, type OutboundCall, type OutboundHandler } from '../../../platform/outbound/index.js';
import type { ProviderRequest } from '../requests/request-fields.js';
import type { Tokenizer } from '../../tokens/tokenizer.js';
import {
  NOTHING_USED,
  type AnswerHeaders,
  type AnswerSink,
  type Attempt,
  type ProviderFailure,
  type TokenUsage,
} from '../provider.js';
import { isEvents, isObjectsEnd, isObjectText, SMALL_BYTES, withoutBlank } from './answer-bytes.js';
import { isCompressed, JSON_TYPE, jsonTypeOf, mediaTypeOf, passedOn } from './answer-headers.js';
import type { Answer, AnswerReader, AnswerStream } from './answer-reader.js';
import { KeptBody, MAX_ANSWER_BYTES, SAMPLED_BYTES } from './kept-body.js';
import {
  brokeOff,
  failureOfGathered,
  noObject,
  notTaken,
  readAtOnce,
  readEventInTurns,
  readInTurns,
  tooMuch,
  turnsOf,
  type ReadAnswer,
} from './large-answer.js';
import { sendMadeStream } from './made-stream.js';
import { LineEnds } from './line-ends.js';
import { believedUsage } from './long-event.js';
import {
  brokenAnswer,
  failureOfStatus,
  failureOfTransport,
  failureWithoutAnswer,
  failureWithoutChoice,
  MAX_ERROR_BYTES,
  NO_ROOM,
  REFUSED_IN_STREAM,
  WITHOUT_CHOICE,
} from './openai-failure.js';
import { isNothing, reportedUsage, type ReportedCounts } from './openai-usage.js';
import type { OrderedWork } from './ordered-work.js';
import { WholeAnswer, type GatheredStream } from './whole-answer.js';
import { eventsWithoutSecret } from './without-secret.js';

const NO_EVENTS = Buffer.alloc(0);
/** More of a stream that says nothing is not held back. */
const MAX_HELD_BYTES = 64 * 1024;

type Mode = 'waiting' | 'json' | 'stream' | 'refusal';

/** One exchange with an OpenAI-compatible provider: takes the answer's bytes, hands them on, and knows what was used. */
export class OpenaiAttempt<Request extends ProviderRequest> implements Attempt, OutboundHandler {
  status: number | null = null;
  outbound: OutboundCall | null = null;
  private jsonModel: string | null = null;
  private jsonType = JSON_TYPE;
  /** Failed by our own judgement: what comes yet is not heard. */
  private isOver = false;
  /** A whole answer that was not looked through. */
  private isLong = false;
  private mode: Mode = 'waiting';
  private headers: IncomingHttpHeaders = {};
  private answerHeaders: AnswerHeaders = {};
  private readonly kept = new KeptBody();
  private isAborted = false;
  /** Of a large event for a call of one answer. */
  private reading: Promise<void> | null = null;
  /** An answer that is made a stream; null: none is. */
  private sending: OrderedWork | null = null;
  private size = 0;
  private stream: AnswerStream | null = null;
  private readonly whole: WholeAnswer;
  private readonly lineEnds = new LineEnds();
  /** What came before the first choice: a failure until then still has a status to say. */
  private held: Buffer | null = NO_EVENTS;
  private reported: ReportedCounts | null = null;
  /** Kept only where the provider did not say what was used. */
  private answer: Answer | null = null;

  constructor(
    readonly request: Request,
    private readonly sink: AnswerSink,
    private readonly reader: AnswerReader<Request>,
    private readonly tokenizer: Tokenizer,
    readonly secret: string | undefined,
    /** Whose answers take turns. */
    private readonly owner: object,
  ) {
    this.whole = new WholeAnswer(reader, this.kept);
  }

  get complete(): boolean {
    return this.stream !== null && this.stream.ended && !this.stream.failed;
  }

  get answeredBy(): string | null {
    return this.stream === null ? this.jsonModel : this.stream.model;
  }

  usage(): TokenUsage {
    if (this.stream?.isRefused === true) return NOTHING_USED;
    const reported = this.stream === null ? this.reported : this.stream.reported;
    const told = reportedUsage(reported, this.reader.hasOutput, () => this.countInput());
    if (told !== null) return told;
    const [inputTokens, outputTokens] = [this.countInput(), this.estimateOutput()];
    return { ...NOTHING_USED, inputTokens, outputTokens, estimated: true };
  }

  abort(): void {
    this.isAborted = true;
    this.sending?.stop();
    this.outbound?.abort();
  }

  pause(): void {
    this.sending?.pause();
    this.outbound?.pause();
  }

  resume(): void {
    this.sending?.resume();
    this.outbound?.resume();
  }

  onLate(): boolean {
    return this.sink.onLate(failureOfTransport(new OutboundError('timeout', 'The answer did not begin in time.')));
  }

  onHeaders(status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.headers = headers;
    if (status < 200 || status > 299) {
      this.mode = 'refusal';
      return;
    }
    if (isCompressed(headers)) {
      this.fail(brokenAnswer('The model provider compressed its answer in a way that this service does not read.'));
      return;
    }
    this.answerHeaders = passedOn(headers);
    const mediaType = mediaTypeOf(headers);
    this.whole.isSaidStream = mediaType.startsWith('text/event-stream');
    this.mode = this.request.stream && this.whole.isSaidStream ? 'stream' : 'json';
    if (this.mode === 'json') this.jsonType = jsonTypeOf(mediaType);
  }

  onData(chunk: Buffer): void {
    if (this.stream !== null) this.read(this.stream, chunk);
    else if (this.size > 0) this.take(chunk);
    else this.begin(chunk);
  }

  /** A JSON answer stays as it is, byte for byte; of a stream the bytes know better than the media type. */
  private begin(chunk: Buffer): void {
    if (!this.request.stream || this.mode === 'refusal') return this.take(chunk);
    const said = withoutBlank(chunk);
    // Servers send blank lines while they think.
    if (said.length === 0) return;
    // An object that says to be a stream is an answer or an error.
    if (isEvents(said)) this.mode = 'stream';
    else if (isObjectText(said)) this.mode = 'json';
    this.take(said);
  }

  private take(chunk: Buffer): void {
    this.size += chunk.length;
    if (this.mode === 'stream') {
      this.stream = this.reader.stream(this.request, this.tokenizer);
      this.read(this.stream, chunk);
      return;
    }
    if (this.mode === 'json') {
      if (this.size > MAX_ANSWER_BYTES)
        this.fail(brokenAnswer('The model provider answered with more than this service passes on.'));
      else if (this.kept.hasRoomFor(this.size, this.sink)) {
        if (!this.whole.push(chunk) && this.reading === null) this.readOn();
        if (this.whole.stream === null || this.size <= SAMPLED_BYTES)
          this.kept.add(chunk, this.headers['content-length']);
      } else this.fail(brokenAnswer(NO_ROOM));
    } else if (this.size <= MAX_ERROR_BYTES) {
      this.kept.add(chunk, this.headers['content-length']);
    } else {
      // The body is not an error object: only the status is told.
      this.abort();
      this.kept.forget();
      this.onEnd();
    }
  }

  onEnd(): void {
    if (this.mode === 'stream') this.endStream();
    else if (this.mode === 'json') this.endJson(null);
    else this.endRefusal(isCompressed(this.headers) ? NO_EVENTS : this.kept.all());
  }

  onError(error: OutboundError): void {
    // What becomes of the connection after the end mark is nothing of the answer.
    if (this.stream?.ended === true) this.endStream();
    else if (this.mode === 'json') this.endJson(error);
    // A piece of an error says little; its status says enough.
    else if (this.mode === 'refusal' && error.reason === 'broken') this.endRefusal(NO_EVENTS);
    else this.sink.onFailure(failureOfTransport(error));
  }

  private endRefusal(body: Buffer): void {
    this.sink.onFailure(failureOfStatus(this.status ?? 0, this.headers, body, this));
  }

  private countInput(): number {
    return this.reader.countInput(this.tokenizer, this.request);
  }

  private estimateOutput(): number {
    const { reader, tokenizer } = this;
    if (this.isLong || (this.mode === 'json' && this.size > MAX_ANSWER_BYTES)) return reader.mostOutput(this.request);
    if (this.stream !== null) return this.stream.estimateOutput();
    if (this.answer !== null) return reader.estimateAnswer(tokenizer, this.answer);
    return this.mode === 'json' ? this.kept.estimateOutput(reader, tokenizer, this.size) : 0;
  }

  private read(stream: AnswerStream, chunk: Buffer): void {
    this.passOn(stream.push(this.lineEnds.push(chunk)));
    if (stream.ended && stream.failed && this.held === null && !this.isOver) this.fail(REFUSED_IN_STREAM);
  }

  private passOn(came: Buffer): void {
    if (came.length === 0) return;
    const events = this.stream?.failed === true ? eventsWithoutSecret(came, this.secret) : came;
    if (this.held === null) {
      this.sink.onStreamData(this.answerHeaders, events);
      return;
    }
    const begun = this.held.length === 0 ? events : Buffer.concat([this.held, events]);
    this.held = begun;
    if (!begun.includes('data:')) return;
    const hasBegun = this.reader.hasBegun(begun);
    if (begun.includes('error') || !hasBegun) {
      const refusal = this.reader.refusalIn(begun, this);
      if (refusal !== null) {
        this.fail(refusal);
        return;
      }
      if (!hasBegun && begun.length <= MAX_HELD_BYTES) return;
    }
    this.held = null;
    this.sink.onStreamData(this.answerHeaders, begun);
  }

  private endStream(): void {
    const { stream } = this;
    if (stream !== null) this.passOn(Buffer.concat([stream.push(this.lineEnds.end()), stream.end()]));
    if (this.isOver) return;
    const said = this.held === null ? null : failureWithoutChoice(this.held, this);
    if (said !== null) this.sink.onFailure(said);
    else if (stream?.isWhole === true && this.held !== null) this.sink.onFailure(brokenAnswer(WITHOUT_CHOICE));
    else if (stream?.failed === true) this.sink.onFailure(REFUSED_IN_STREAM);
    else if (stream?.isWhole === true) {
      if (!stream.ended) this.sink.onStreamData(this.answerHeaders, this.reader.endMark);
      this.sink.onStreamEnd();
    } else this.sink.onFailure(brokeOff());
  }

  /** @param error broke the connection; a stream that came to its mark is whole */
  private endJson(error: OutboundError | null): void {
    const { whole, kept, reader, size } = this;
    if (error !== null && whole.stream === null) this.sink.onFailure(failureOfTransport(error));
    else if (size <= SMALL_BYTES) this.endRead(readAtOnce(whole, kept), error);
    else
      readInTurns({ whole, kept, size, parsedBytes: reader.parsedBytes }, this.reading, turnsOf(this.owner))
        .then((read) => {
          if (!this.isAborted) this.endRead(read, error);
        })
        .catch((reason: unknown) => this.failNotTaken(reason));
  }

  private endRead({ stream, object, body }: ReadAnswer, error: OutboundError | null): void {
    if (stream !== null) this.endGathered(stream, error, body);
    else if (object === 'too much') this.endLongJson(body);
    else if (object === null) this.sink.onFailure(noObject());
    else this.endAnswer(object, believedUsage(body, this.reader.usageIn(object)), body);
  }

  /** Reads a large event of a stream for one answer. No more of it is taken in meanwhile. */
  private readOn(): void {
    this.pause();
    this.reading = readEventInTurns(this.whole, turnsOf(this.owner)).then(() => {
      this.reading = null;
      if (!this.isAborted) this.resume();
    });
    this.reading.catch((reason: unknown) => this.failNotTaken(reason));
  }

  private failNotTaken(error: unknown): void {
    if (!this.isAborted) this.fail(notTaken(error));
  }

  /** Events for a call that asked for one answer. */
  private endGathered(stream: GatheredStream, error: OutboundError | null, body: Buffer): void {
    const { gathered, reported } = stream;
    const failure = failureOfGathered(stream, error);
    if (failure !== null) this.sink.onFailure(failure);
    else if (gathered !== null) {
      this.jsonType = JSON_TYPE;
      this.endAnswer(gathered.error ?? gathered.answer, reported, gathered.error === null ? body : null);
    }
  }

  /** @param body as it came; null: it is written anew */
  private endAnswer(answer: Answer, reported: ReportedCounts | null, body: Buffer | null): void {
    const { reader } = this;
    const failure = reader.failureIn(answer, this);
    if (failure !== null) return this.sink.onFailure(failure);
    if (!reader.isAnswer(answer)) return this.sink.onFailure(failureWithoutAnswer(answer, this));
    this.jsonModel = typeof answer['model'] === 'string' ? answer['model'] : null;
    this.reported = reported;
    if (reported === null || isNothing(reported)) this.answer = answer;
    if (!this.request.stream) return this.sendJson(body ?? Buffer.from(JSON.stringify(answer)));
    const events = reader.eventsOf(answer, this.request);
    this.sending = sendMadeStream(events, reader.endMark, this.sink, this.answerHeaders, turnsOf(this.owner));
  }

  /** No error is so long, so that this is an answer; what it reports stands in it somewhere. */
  private endLongJson(body: Buffer): void {
    if (this.request.stream) return this.sink.onFailure(tooMuch());
    if (!isObjectText(withoutBlank(body)) || !isObjectsEnd(body)) {
      this.sink.onFailure(noObject());
      return;
    }
    this.isLong = true;
    const { usage, model } = this.whole.longOf(body);
    this.reported = usage;
    this.jsonModel = model;
    this.sendJson(body);
  }

  private sendJson(body: Buffer): void {
    this.sink.onJson({ 'content-type': this.jsonType, ...this.answerHeaders }, body);
  }

  private fail(failure: ProviderFailure): void {
    this.isOver = true;
    this.abort();
    this.sink.onFailure(failure);
  }
}
