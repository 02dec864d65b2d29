import { randomBytes } from 'node:crypto';
import type { LanguageModelV4GenerateResult, LanguageModelV4StreamPart, SharedV4Warning } from '@ai-sdk/provider';
import { logger } from '../../../platform/logging/index.js';
import { OutboundError, type OutboundPolicy } from '../../../platform/outbound/index.js';
import { brokenAnswer, failureOfTransport, type Asked } from '../openai/openai-failure.js';
import { estimatePartTokens, ProducedText } from '../openai/produced-text.js';
import {
  NOTHING_USED,
  type AnswerHeaders,
  type AnswerSink,
  type Attempt,
  type ProviderFailure,
  type TokenCounts,
  type TokenUsage,
} from '../provider.js';
import { Pause } from '../pause.js';
import type { ProviderDeps } from '../provider-factory.js';
import type { ChatRequest } from '../requests/chat-request.js';
import { countInputTokens } from '../requests/chat-tokens.js';
import { limitOf } from './call-options.js';
import { ChunkWriter } from './chunks.js';
import { completionOf, type Envelope } from './completion.js';
import type { Dialect, DialectPackage, TextShortcut } from './dialect.js';
import { Exchange } from './exchange.js';
import { menderOf } from './event-mender.js';
import { failureOf } from './failures.js';
import { finishOf } from './finish.js';
import { inlineImages } from './images.js';
import { assertTextCarried } from './text-bound.js';
import { countsOf } from './usage.js';

const JSON_HEADERS: AnswerHeaders = { 'content-type': 'application/json' };
const NO_HEADERS: AnswerHeaders = {};
const ignore = (): void => undefined;

/** One exchange with a provider that has a dialect of its own, translated both ways by its package and the bridge. */
export class TranslatedAttempt implements Attempt, Asked {
  answeredBy: string | null = null;
  complete = false;
  private isOver = false;
  /** The provider may have the request, and charge for it, although its answer had not begun. */
  private isGivenUp = false;
  private readonly aborter = new AbortController();
  private readonly rest = new Pause();
  private isFlushing = false;
  private reported: TokenCounts | null = null;
  /** What a stream says of its input before it says what it used. */
  private early: TokenCounts | null = null;
  private readonly produced = new ProducedText();
  private readonly exchange: Exchange;
  private readonly writer: ChunkWriter;
  private envelope: Envelope;
  private toolCalls = 0;
  private readonly shortcut: TextShortcut | null;

  constructor(
    readonly request: ChatRequest,
    private readonly sink: AnswerSink,
    private readonly dialect: Dialect,
    private readonly deps: ProviderDeps,
    private readonly provider: string,
    policy: OutboundPolicy,
  ) {
    this.envelope = {
      id: `chatcmpl-${randomBytes(12).toString('hex')}`,
      created: Math.floor(Date.now() / 1000),
      model: request.model,
    };
    this.writer = new ChunkWriter(this.envelope, dialect.namespace, request.includeUsage);
    this.shortcut = request.stream ? (dialect.readText?.((text) => this.takeText(text)) ?? null) : null;
    const limit = limitOf(request) ?? null;
    const { report } = dialect;
    const mender = request.stream && report !== undefined ? menderOf(report, dialect.isFramed === true) : null;
    this.exchange = new Exchange(this, dialect, deps, policy, limit, this, this.shortcut ?? mender);
  }

  get secret(): string {
    return this.dialect.secret;
  }

  get status(): number | null {
    return this.exchange.status;
  }

  usage(): TokenUsage {
    const { reported } = this;
    const told = reported?.outputTokens ?? 0;
    if (told > 0 && saysInput(reported)) return { ...reported, estimated: false };
    const { tokenizer } = this.deps;
    if (this.status === null && !this.isGivenUp) return NOTHING_USED;
    const outputTokens = told > 0 ? told : this.estimateOutput();
    // A report of no output is true where nothing was said; beside words it came too early, or after the truth.
    if (reported !== null && outputTokens === 0) return { ...reported, estimated: false };
    return {
      ...NOTHING_USED,
      ...([reported, this.early].find(saysInput) ?? { inputTokens: countInputTokens(tokenizer, this.request) }),
      outputTokens,
      reasoningTokens: reported?.reasoningTokens ?? 0,
      estimated: true,
    };
  }

  /** Runs the exchange to its end; whatever goes wrong, the sink hears of it. */
  async run(loaded: DialectPackage | Promise<DialectPackage>): Promise<void> {
    try {
      const ready = loaded instanceof Promise ? await loaded : loaded;
      const { length } = this.request.raw;
      await this.exchange.turn(length);
      assertTextCarried(this.request, this.dialect.namespace);
      const { options, images } = ready.translate(this.request);
      await this.exchange.turn(length);
      const { signal } = this.aborter;
      if (images.length > 0 && !this.dialect.fetchesImages) await inlineImages(images, this.deps.http, signal);
      if (this.isOver) return;
      const model = ready.model(this.request.model, this.exchange.fetch, () => this.newId(), options.prompt);
      const includeRawChunks = this.dialect.rereads === true;
      const call = { ...options, abortSignal: signal, includeRawChunks };
      if (this.request.stream) await this.read((await model.doStream(call)).stream);
      else {
        const result = await this.exchange.read(() => model.doGenerate(call));
        await this.exchange.turn();
        this.answer(result);
      }
    } catch (error) {
      this.fail(this.exchange.broken ?? failureOf(error, this, this.exchange.wasSent));
    }
  }

  abort(): void {
    this.isGivenUp ||= !this.isOver && this.exchange.wasSent;
    this.isOver = true;
    this.aborter.abort();
    this.resume();
  }

  pause(): void {
    this.rest.begin();
    this.exchange.pause();
  }

  resume(): void {
    this.rest.resume();
    this.exchange.resume();
    if (!this.writer.isEmpty) this.flushSoon();
  }

  onLate(): boolean {
    const late = new OutboundError('timeout', 'The answer did not begin in time.');
    return !this.isOver && this.sink.onLate(failureOfTransport(late));
  }

  onKept(bytes: number): boolean {
    return this.sink.onKept?.(bytes) !== false;
  }

  /** The same in every reading of one answer. */
  private newId(): string {
    this.toolCalls += 1;
    return `call_${this.envelope.id.slice(-24)}_${this.toolCalls}`;
  }

  private estimateOutput(): number {
    const { tokenizer } = this.deps;
    return this.request.stream
      ? this.produced.estimateTokens(tokenizer)
      : estimatePartTokens(tokenizer, this.exchange.part, SAID);
  }

  private answer(result: LanguageModelV4GenerateResult): void {
    if (this.isOver) return;
    this.warn(result.warnings);
    this.reported = countsOf(result.usage);
    const { response } = result;
    const { model, text } = this.dialect.complete?.(result) ?? {};
    this.nameAnswer(response?.id, model ?? response?.modelId);
    if (text !== undefined) result.content.unshift({ type: 'text', text });
    const hasToolCalls = result.content.some((part) => part.type === 'tool-call' && part.providerExecuted !== true);
    const finish = finishOf(result.finishReason, hasToolCalls);
    if (finish === null) {
      this.fail(brokenAnswer('The model provider did not bring its answer to an end.'));
      return;
    }
    const completion = completionOf(result, finish, this.usage(), this.envelope, this.dialect.namespace);
    this.isOver = true;
    this.sink.onJson(JSON_HEADERS, Buffer.from(JSON.stringify(completion)));
  }

  private async read(stream: ReadableStream<LanguageModelV4StreamPart>): Promise<void> {
    const reader = stream.getReader();
    for (;;) {
      if (this.rest.isOn && !this.complete) await this.rest.wait();
      const { done, value } = await reader.read();
      if (this.isOver && !this.complete) {
        reader.cancel().catch(ignore);
        return;
      }
      if (done) break;
      // What comes after the end is read to keep the connection, and is nothing of the answer.
      if (!this.complete) this.take(value);
    }
    if (!this.complete) this.fail(this.exchange.broken ?? brokenAnswer('The model provider broke off its answer.'));
  }

  private take(part: LanguageModelV4StreamPart): void {
    switch (part.type) {
      case 'stream-start':
        this.warn(part.warnings);
        return;
      case 'response-metadata':
        this.nameAnswer(part.id, part.modelId);
        return;
      case 'raw':
        this.reread(part.rawValue);
        return;
      case 'text-start':
        this.shortcut?.begin(part.id);
        return;
      case 'error':
        this.flush();
        this.fail(this.exchange.broken ?? failureOf(part.error, this, true));
        return;
      case 'finish':
        this.finish(part);
        return;
      default:
        this.early = this.dialect.reportedEarly?.(part) ?? this.early;
        this.writer.add(part);
        if (!this.writer.isEmpty) this.flushSoon();
    }
  }

  private takeText(delta: string): void {
    if (this.isOver) return;
    this.writer.add({ type: 'text-delta', id: '', delta });
    if (!this.writer.isEmpty) this.flushSoon();
    // The package's own reading may have let the call go on meanwhile.
    if (this.rest.isOn) this.exchange.pause();
  }

  private reread(chunk: unknown): void {
    const { model, text } = this.dialect.reread?.(chunk) ?? {};
    if (model !== undefined && model !== this.answeredBy) this.nameAnswer(undefined, model);
    if (text === undefined) return;
    this.writer.add({ type: 'text-delta', id: '', delta: text });
    this.flushSoon();
  }

  private finish({ usage, finishReason }: Extract<LanguageModelV4StreamPart, { type: 'finish' }>): void {
    const reason = finishOf(finishReason, this.writer.hasToolCalls);
    if (reason === null) {
      this.flush();
      this.fail(this.exchange.broken ?? brokenAnswer('The model provider broke off its answer.'));
      return;
    }
    this.reported = countsOf(usage);
    this.writer.finish(finishReason.raw, reason, this.usage(), this.envelope);
    this.complete = true;
    this.flush();
    // The receiver of the events may give the attempt up because of them.
    if (this.aborter.signal.aborted) return;
    this.isOver = true;
    this.sink.onStreamEnd();
  }

  private nameAnswer(id: string | undefined, model: string | undefined): void {
    if (model !== undefined && model !== '') this.answeredBy = model;
    this.envelope = { ...this.envelope, id: id ?? this.envelope.id, model: this.answeredBy ?? this.envelope.model };
    this.writer.answerAs(this.envelope);
  }

  /** All that comes in one turn of the loop goes out as one. */
  private flushSoon(): void {
    if (this.isFlushing) return;
    this.isFlushing = true;
    setImmediate(() => {
      this.isFlushing = false;
      if (!this.rest.isOn) this.flush();
    });
  }

  private flush(): void {
    if (this.isOver || this.writer.isEmpty) return;
    const events = this.writer.take();
    this.produced.add(events);
    this.sink.onStreamData(NO_HEADERS, events);
  }

  private fail(failure: ProviderFailure): void {
    if (this.isOver) return;
    this.flush();
    if (this.aborter.signal.aborted) return;
    this.isOver = true;
    this.aborter.abort();
    this.sink.onFailure(failure);
  }

  /** What a package could not carry is refused before it is called: a warning is a gap in the bridge. */
  private warn(warnings: readonly SharedV4Warning[]): void {
    if (warnings.length === 0) return;
    const features = warnings.map((warning) => ('feature' in warning ? warning.feature : warning.type));
    logger.warn({ provider: this.provider, features }, 'A provider package did not carry a part of a request.');
  }
}

/** No prompt is empty. */
function saysInput(counts: TokenCounts | null): counts is TokenCounts {
  return counts !== null && counts.inputTokens > 0;
}

/** The strings of an answer that providers charge for, in all of their dialects. */
const SAID = /"(?:text|content|thinking|name|arguments|tool_plan)"\s*:\s*"/g;
