import type { Outcome, UsageLedger } from '../../usage/index.js';
import type { Provider } from '../providers/provider.js';
import type { RetryReason } from '../routing/retry-reason.js';
import type { KeptAnswers } from './kept-answers.js';
import type { LateCalls } from './late-calls.js';
import type { Placed } from './open-calls.js';

/** What all calls of a process share. */
export interface CallContext {
  readonly ledger: Pick<UsageLedger, 'reserve' | 'settle'>;
  readonly lateCalls: LateCalls;
  readonly answers: KeptAnswers;
  /** The service takes no more calls. */
  readonly isStopping: boolean;
  /** A try of a provider has ended. */
  onTried(provider: Pick<Provider, 'kind'>, outcome: Outcome): void;
  /** A try of a provider failed, and another one follows. */
  onRetried(provider: Provider, reason: RetryReason): void;
  /** A call is over, and holds nothing any more. */
  onOver(call: Placed): void;
}
