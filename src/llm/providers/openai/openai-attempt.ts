import type { IncomingHttpHeaders } from 'node:http';
import { OutboundError, type OutboundCall, type OutboundHandler } from '../../../platform/outbound/index.js';
import { parseJson } from '../../../platform/json/index.js';
import { DEFAULT_OUTPUT_TOKENS, isObject, type ChatRequest } from '../requests/chat-request.js';
import { countInputTokens } from '../requests/chat-tokens.js';
import type { Tokenizer } from '../../tokens/tokenizer.js';
import {
  NOTHING_USED,
  type AnswerHeaders,
  type AnswerSink,
  type Attempt,
  type ProviderFailure,
  type TokenCounts,
  type TokenUsage,
} from '../provider.js';
import { brokenAnswer, failureOfStatus, failureOfTransport, REFUSED_IN_STREAM } from './openai-failure.js';
import { readUsage } from './openai-usage.js';
import { estimateAnswerTokens, estimatePartTokens, ProducedText } from './produced-text.js';
import { endOfFirstEvent, parseEvent, SseUsageFilter } from './sse-usage-filter.js';

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
const JSON_TYPE = 'application/json';
const NOTHING = Buffer.alloc(0);
/** The end mark is looked for in this much of the last buffer. */
const END_MARK_WINDOW = 64;
const END_MARK = /(?:^|\n)data: ?\[DONE\]\s*$/;

type Mode = 'waiting' | 'json' | 'stream' | 'refusal';

/** One exchange with an OpenAI-compatible provider: takes the answer's bytes, hands them on, and knows what was used. */
export class OpenaiAttempt implements Attempt, OutboundHandler {
  status: number | null = null;
  outbound: OutboundCall | null = null;
  private jsonModel: string | null = null;
  private mode: Mode = 'waiting';
  private headers: IncomingHttpHeaders = {};
  private answerHeaders: AnswerHeaders = {};
  private chunks: Buffer[] = [];
  private size = 0;
  private filter: SseUsageFilter | null = null;
  private produced: ProducedText | null = null;
  private lastEvents: Buffer = NOTHING;
  private reported: TokenCounts | null = null;
  /** Kept only where the provider did not say what was used. */
  private answer: Readonly<Record<string, unknown>> | null = null;

  constructor(
    private readonly request: ChatRequest,
    private readonly sink: AnswerSink,
    private readonly tokenizer: Tokenizer,
    private readonly secret: string | undefined,
  ) {}

  get complete(): boolean {
    return this.mode === 'stream' && endsWithMark(this.lastEvents);
  }

  get answeredBy(): string | null {
    return this.filter === null ? this.jsonModel : this.filter.model;
  }

  usage(): TokenUsage {
    const reported = this.filter === null ? this.reported : this.filter.usage;
    if (reported !== null) return { ...reported, estimated: false };
    return {
      ...NOTHING_USED,
      inputTokens: countInputTokens(this.tokenizer, this.request),
      outputTokens: this.estimateOutput(),
      estimated: true,
    };
  }

  abort(): void {
    this.outbound?.abort();
  }

  pause(): void {
    this.outbound?.pause();
  }

  resume(): void {
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
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      this.fail(brokenAnswer('The model provider answered in an encoding that was not asked for.'));
      return;
    }
    const contentType = headers['content-type'] ?? JSON_TYPE;
    const processing = headers['openai-processing-ms'];
    if (this.request.stream && contentType.startsWith('text/event-stream')) {
      this.mode = 'stream';
      this.filter = new SseUsageFilter(!this.request.includeUsage);
      this.produced = new ProducedText();
      this.answerHeaders = typeof processing === 'string' ? { 'openai-processing-ms': processing } : NO_HEADERS;
    } else {
      this.mode = 'json';
      // A provider does not choose what a browser takes an answer for.
      const sent = contentType.startsWith(JSON_TYPE) ? contentType : JSON_TYPE;
      this.answerHeaders =
        typeof processing === 'string'
          ? { 'content-type': sent, 'openai-processing-ms': processing }
          : { 'content-type': sent };
    }
  }

  onData(chunk: Buffer): void {
    if (this.filter !== null) {
      this.passOn(this.filter.push(chunk));
      return;
    }
    this.size += chunk.length;
    if (this.mode === 'json') {
      if (this.size <= MAX_ANSWER_BYTES) this.chunks.push(chunk);
      else this.fail(brokenAnswer('The model provider answered with more than this service passes on.'));
    } else if (this.size <= MAX_ERROR_BYTES) {
      this.chunks.push(chunk);
    } else {
      // Whatever this is, it is no error object: the status alone is told.
      this.abort();
      this.chunks = [];
      this.onEnd();
    }
  }

  onEnd(): void {
    if (this.mode === 'stream') this.endStream();
    else if (this.mode === 'json') this.endJson();
    else
      this.sink.onFailure(failureOfStatus(this.status ?? 0, this.headers, this.body().toString('utf8'), this.secret));
  }

  onError(error: OutboundError): void {
    this.sink.onFailure(failureOfTransport(error));
  }

  private estimateOutput(): number {
    // Too much to look through, and more than any limit on the output allows.
    if (this.mode === 'json' && this.size > MAX_ANSWER_BYTES)
      return this.request.choices * (this.request.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS);
    if (this.produced !== null) return this.produced.estimateTokens(this.tokenizer);
    if (this.answer !== null) return estimateAnswerTokens(this.tokenizer, this.answer);
    return this.mode === 'json' ? estimatePartTokens(this.tokenizer, this.body().toString('utf8')) : 0;
  }

  private passOn(events: Buffer): void {
    if (events.length === 0) return;
    this.produced?.add(events);
    this.lastEvents = events;
    this.sink.onStreamData(this.answerHeaders, events);
  }

  private endStream(): void {
    const ended = endsWithMark(this.lastEvents);
    const rest = this.filter?.end() ?? NO_EVENTS;
    // An event without its blank line counts where it ends the stream; else it is a piece of one, and what we have to say
    // after it could not be read.
    if (endsWithMark(rest) || parseEvent(rest)?.['error'] !== undefined) this.passOn(rest);
    if (ended || endsWithMark(this.lastEvents)) this.sink.onStreamEnd();
    else if (lastEventOf(this.lastEvents)?.['error'] !== undefined) this.sink.onFailure(REFUSED_IN_STREAM);
    else this.sink.onFailure(brokenAnswer('The model provider broke off its answer.'));
  }

  private endJson(): void {
    const body = this.body();
    const answer = parseObject(body);
    if (answer === null) {
      this.sink.onFailure(brokenAnswer('The model provider did not answer with a JSON object.'));
      return;
    }
    this.reported = readUsage(answer['usage']);
    this.jsonModel = typeof answer['model'] === 'string' ? answer['model'] : null;
    if (this.reported === null) this.answer = answer;
    this.sink.onJson(this.answerHeaders, body);
  }

  private fail(failure: ProviderFailure): void {
    this.abort();
    this.sink.onFailure(failure);
  }

  private body(): Buffer {
    const [first] = this.chunks;
    return this.chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.chunks);
  }
}

const NO_HEADERS: AnswerHeaders = {};
const NO_EVENTS = Buffer.alloc(0);

function endsWithMark(events: Buffer): boolean {
  return END_MARK.test(events.toString('latin1', Math.max(0, events.length - END_MARK_WINDOW)));
}

function lastEventOf(events: Buffer): Readonly<Record<string, unknown>> | null {
  let start = 0;
  for (let end = 0; end !== -1 && end < events.length; end = endOfFirstEvent(events, end)) start = end;
  return parseEvent(events.subarray(start));
}

/** A parser's own message quotes what it read, so that nothing of it is kept. */
function parseObject(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value = parseJson(body.toString('utf8'));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
