import { Counter, type Registry } from 'prom-client';
import type { Outcome } from '../../usage/index.js';
import type { Provider } from '../providers/provider.js';
import type { RetryReason } from '../routing/retry-reason.js';

/**
 * Tries of providers by the provider's kind, and how they ended. Calls only add to a plain number; the library counts when
 * somebody looks, since its own bookkeeping is felt on the hot path.
 */
export class ProviderMetrics {
  private readonly tried = new Numbers<Outcome>();
  private readonly retried = new Numbers<RetryReason>();

  constructor(registry: Registry) {
    const { tried, retried } = this;
    new Counter({
      name: 'gatehouse_provider_tries_total',
      help: 'Tries of model providers, by the kind of the provider and how they ended.',
      labelNames: ['kind', 'outcome'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [kind, outcome, count] of tried.all()) this.inc({ kind, outcome }, count);
      },
    });
    new Counter({
      name: 'gatehouse_provider_retries_total',
      help: 'Tries that failed and were followed by another one, by the kind of the provider and the reason.',
      labelNames: ['kind', 'reason'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [kind, reason, count] of retried.all()) this.inc({ kind, reason }, count);
      },
    });
  }

  onTried({ kind }: Pick<Provider, 'kind'>, outcome: Outcome): void {
    this.tried.add(kind, outcome);
  }

  onRetried({ kind }: Provider, reason: RetryReason): void {
    this.retried.add(kind, reason);
  }
}

/** One number for each kind of provider and each of a few words. */
class Numbers<Word extends string> {
  private readonly ofKind = new Map<string, Map<Word, number>>();

  add(kind: string, word: Word): void {
    let numbers = this.ofKind.get(kind);
    if (numbers === undefined) {
      numbers = new Map<Word, number>();
      this.ofKind.set(kind, numbers);
    }
    numbers.set(word, (numbers.get(word) ?? 0) + 1);
  }

  *all(): Iterable<readonly [string, Word, number]> {
    for (const [kind, numbers] of this.ofKind) for (const [word, number] of numbers) yield [kind, word, number];
  }
}
