import type { Metrics, Samples } from '../../platform/metrics/index.js';
import type { Outcome, Settlement } from '../../usage/index.js';
import type { ModelFactsByName } from '../models/model-facts.js';
import type { OperationName, Provider } from '../providers/provider.js';
import type { RetryReason } from '../routing/retry-reason.js';
import type { Tried } from './tried.js';

/** A tenant's or a caller's own name is not a label: there is any number of them. */
const OTHER_MODEL = 'other';
const NO_MODEL = 'none';
const MOST_TRIES = 3;

type ProviderKind = Pick<Provider, 'kind'>;

/** What is counted of one kind of provider and one model. */
class Series {
  readonly outcomes = new Map<Outcome, number>();
  readonly tokens = { input: 0, output: 0, cached_input: 0, cache_write: 0, reasoning: 0 };
  costUsd = 0;

  constructor(
    readonly provider: string,
    readonly model: string,
    readonly firstBytes: Samples,
    readonly durations: Samples,
  ) {}
}

/**
 * Calls and their tries in numbers. A call only adds to plain numbers; the library counts when the metrics are read, since its
 * own bookkeeping is felt on the hot path.
 */
export class CallMetrics {
  private readonly series = new Map<string, Map<string, Series>>();
  private readonly open = new Map<string, number>();
  private readonly retried = new Map<string, Map<RetryReason, number>>();
  private readonly calls = new Map<string, { readonly labels: CallLabels; count: number }>();
  private readonly firstBytes;
  private readonly durations;

  /** @param catalogue whose models are labels: what is built in and what the operator added, nothing of a tenant's */
  constructor(
    metrics: Metrics,
    private readonly catalogue: ModelFactsByName,
  ) {
    const { series, open, retried, calls } = this;
    this.firstBytes = metrics.histogram('gatehouse_provider_first_byte_seconds');
    this.durations = metrics.histogram('gatehouse_provider_try_duration_seconds');
    metrics.readEach('gatehouse_calls_total', () =>
      [...calls.values()].map(({ labels, count }) => [{ ...labels }, count]),
    );
    metrics.readEach('gatehouse_provider_tries_open', () =>
      [...open].map(([provider, count]) => [{ provider }, count]),
    );
    metrics.readEach('gatehouse_provider_retries_total', () =>
      [...retried].flatMap(([provider, reasons]) =>
        [...reasons].map(([reason, count]) => [{ provider, reason }, count]),
      ),
    );
    const all = function* (): Iterable<Series> {
      for (const models of series.values()) yield* models.values();
    };
    metrics.readEach('gatehouse_provider_tries_total', () =>
      [...all()].flatMap(({ provider, model, outcomes }) =>
        [...outcomes].map(([outcome, count]) => [{ provider, model, outcome }, count]),
      ),
    );
    metrics.readEach('gatehouse_tokens_total', () =>
      [...all()].flatMap(({ provider, model, tokens }) =>
        Object.entries(tokens).map(([type, count]) => [{ provider, model, type }, count]),
      ),
    );
    metrics.readEach('gatehouse_cost_usd_total', () =>
      [...all()].map(({ provider, model, costUsd }) => [{ provider, model }, costUsd]),
    );
  }

  /** A provider is asked now. */
  onSent({ kind }: ProviderKind): void {
    add(this.open, kind, 1);
  }

  /** A try is over, and this is what the ledger is told of it. */
  onTried({ target, model, sentAtMs, firstByteAtMs }: Tried, settlement: Settlement): void {
    const { kind } = target.provider;
    const series = this.seriesOf(kind, this.catalogue.find(model)?.id ?? OTHER_MODEL);
    add(series.outcomes, settlement.outcome, 1);
    const { tokens } = series;
    tokens.input += settlement.inputTokens;
    tokens.output += settlement.outputTokens;
    tokens.cached_input += settlement.cachedInputTokens;
    tokens.cache_write += settlement.cacheWriteTokens;
    tokens.reasoning += settlement.reasoningTokens;
    if (settlement.costPicoUsd !== null) series.costUsd += Number(settlement.costPicoUsd) / 1e12;
    if (sentAtMs === null) return;
    add(this.open, kind, -1);
    series.durations.add((performance.now() - sentAtMs) / 1000);
    if (firstByteAtMs !== null) series.firstBytes.add((firstByteAtMs - sentAtMs) / 1000);
  }

  /** A call was answered without a provider. */
  onAnswered({ kind }: ProviderKind, operation: OperationName): void {
    add(this.seriesOf(kind, NO_MODEL).outcomes, 'OK', 1);
    this.onOver(operation, 'OK', 1);
  }

  onRetried({ kind }: ProviderKind, reason: RetryReason): void {
    let reasons = this.retried.get(kind);
    if (reasons === undefined) {
      reasons = new Map<RetryReason, number>();
      this.retried.set(kind, reasons);
    }
    add(reasons, reason, 1);
  }

  /** The caller has its answer, or none, and nothing more follows. */
  onOver(operation: OperationName, outcome: Outcome, tries: number): void {
    const key = `${operation} ${outcome} ${Math.min(tries, MOST_TRIES + 1)}`;
    const known = this.calls.get(key);
    if (known !== undefined) known.count += 1;
    else
      this.calls.set(key, {
        labels: { operation, outcome, tries: tries > MOST_TRIES ? 'more' : String(tries) },
        count: 1,
      });
  }

  private seriesOf(kind: string, model: string): Series {
    let models = this.series.get(kind);
    if (models === undefined) {
      models = new Map<string, Series>();
      this.series.set(kind, models);
    }
    let series = models.get(model);
    if (series === undefined) {
      series = new Series(kind, model, this.firstBytes.of(kind, model), this.durations.of(kind, model));
      models.set(model, series);
    }
    return series;
  }
}

interface CallLabels {
  readonly operation: string;
  readonly outcome: string;
  readonly tries: string;
}

function add<Key>(numbers: Map<Key, number>, key: Key, number: number): void {
  numbers.set(key, (numbers.get(key) ?? 0) + number);
}
