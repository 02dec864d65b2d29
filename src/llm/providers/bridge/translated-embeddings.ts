import type { EmbeddingModelV4Result } from '@ai-sdk/provider';
import { logger } from '../../../platform/logging/index.js';
import { OutboundError, type OutboundPolicy } from '../../../platform/outbound/index.js';
import { failureOfTransport, type Asked } from '../openai/openai-failure.js';
import { NOTHING_USED, type AnswerSink, type Attempt, type ProviderFailure, type TokenUsage } from '../provider.js';
import type { ProviderDeps } from '../provider-factory.js';
import type { EmbeddingsRequest } from '../requests/embeddings-request.js';
import { countEmbeddedTokens } from '../requests/embeddings-tokens.js';
import { fieldsOf, type Dialect, type Embedder } from './dialect.js';
import { Exchange, type AnswerBounds } from './exchange.js';
import { failureOf } from './failures.js';
import { limitedTo } from './refusals.js';

/** Some models take one text at a time: so many exchanges make one answer at most. */
const MOST_EXCHANGES = 128;
/** A hundred vectors of 3,072 numbers come at once, each number in a line of its own. */
const VECTORS: AnswerBounds = { maxValues: 1_000_000, maxDepth: 16, maxBytes: 16 * 1024 * 1024 };

/**
 * Embeddings by a provider with a dialect of its own. More texts than it takes at once are sent in several exchanges, one after
 * the other; the answer is one.
 */
export class TranslatedEmbeddings implements Attempt, Asked {
  readonly answeredBy = null;
  readonly complete = false;
  private isOver = false;
  /** The provider may have the texts, and charge for them, although it has not answered. */
  private isGivenUp = false;
  private readonly aborter = new AbortController();
  private exchange: Exchange | null = null;
  /** Null: an exchange did not report what it used. */
  private reported: number | null = 0;
  private done = 0;

  constructor(
    readonly request: EmbeddingsRequest,
    private readonly sink: AnswerSink,
    private readonly dialect: Dialect,
    private readonly deps: ProviderDeps,
    private readonly policy: OutboundPolicy,
  ) {}

  get secret(): string {
    return this.dialect.secret;
  }

  get status(): number | null {
    return this.exchange?.status ?? null;
  }

  usage(): TokenUsage {
    if (this.reported !== null && this.done > 0) return { ...NOTHING_USED, inputTokens: this.reported };
    if (this.status === null && !this.isGivenUp) return NOTHING_USED;
    const inputTokens = countEmbeddedTokens(this.deps.tokenizer, this.request);
    return { ...NOTHING_USED, inputTokens, estimated: true };
  }

  /** Runs the exchanges to their end; whatever goes wrong, the sink hears of it. */
  async run(loaded: Embedder | Promise<Embedder>): Promise<void> {
    try {
      const embedder = loaded instanceof Promise ? await loaded : loaded;
      const call = embedder.translate(this.request);
      const texts = this.request.inputs as readonly string[];
      const most = Math.min(texts.length, embedder.mostTexts(this.request.model));
      if (texts.length > most * MOST_EXCHANGES)
        throw limitedTo('input', `at most ${most * MOST_EXCHANGES} texts for this model`, this.dialect.namespace);
      const vectors: (readonly number[])[] = [];
      for (let at = 0; at < texts.length && !this.isOver; at += most) {
        const values = texts.slice(at, at + most);
        const exchange = new Exchange(this, this.dialect, this.deps, this.policy, null, this, null, VECTORS);
        this.exchange = exchange;
        const model = embedder.model(this.request.model, exchange.fetch);
        await exchange.turn(this.request.raw.length);
        const asked = { ...call, values, abortSignal: this.aborter.signal };
        const result = await exchange.read(() => model.doEmbed(asked), embedder.report ?? null);
        await exchange.turn();
        this.note(result);
        vectors.push(...result.embeddings);
      }
      this.answer(vectors);
    } catch (error) {
      this.fail(this.exchange?.broken ?? failureOf(error, this, this.exchange?.wasSent === true));
    }
  }

  abort(): void {
    this.isGivenUp ||= !this.isOver && this.exchange?.wasSent === true;
    this.isOver = true;
    this.aborter.abort();
  }

  pause(): void {
    // There is no stream that could wait.
  }

  resume(): void {
    // Nor one that could go on.
  }

  onKept(bytes: number): boolean {
    return this.sink.onKept?.(bytes) !== false;
  }

  onLate(): boolean {
    const late = new OutboundError('timeout', 'The answer did not begin in time.');
    return !this.isOver && this.sink.onLate(failureOfTransport(late));
  }

  private note({ usage, response, warnings }: EmbeddingModelV4Result): void {
    if (warnings.length > 0)
      logger.warn({ provider: this.dialect.namespace }, 'A provider package did not carry a part of a request.');
    // The package leaves out what Google reports.
    const { promptTokenCount } = fieldsOf(fieldsOf(response?.body)['usageMetadata']);
    const tokens = usage?.tokens ?? promptTokenCount;
    const isCount = typeof tokens === 'number' && Number.isSafeInteger(tokens) && tokens >= 0;
    this.reported = this.reported === null || !isCount ? null : this.reported + tokens;
    this.done += 1;
  }

  private answer(vectors: readonly (readonly number[])[]): void {
    if (this.isOver) return;
    this.isOver = true;
    const { encodingFormat, model } = this.request;
    const data = vectors.map((vector, index) => {
      const embedding =
        encodingFormat === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector;
      return { object: 'embedding', index, embedding };
    });
    const tokens = this.usage().inputTokens;
    const usage = { prompt_tokens: tokens, total_tokens: tokens };
    const body = Buffer.from(JSON.stringify({ object: 'list', data, model, usage }));
    this.sink.onJson({ 'content-type': 'application/json' }, body);
  }

  private fail(failure: ProviderFailure): void {
    if (this.isOver) return;
    this.isOver = true;
    this.aborter.abort();
    this.sink.onFailure(failure);
  }
}
