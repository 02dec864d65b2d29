import type { Settlement, UsageLedger } from '../../usage/index.js';
import type { OperationName, Provider } from '../providers/provider.js';
import type { RetryReason } from '../routing/retry-reason.js';
import type { KeptAnswers } from './kept-answers.js';
import type { LateCalls } from './late-calls.js';
import type { Placed } from './open-calls.js';
import type { CallTerms } from './call-terms.js';
import type { Tried } from './tried.js';

/** What all calls of a process share. */
export interface CallContext {
  readonly ledger: Pick<UsageLedger, 'reserve' | 'settle'>;
  readonly lateCalls: LateCalls;
  readonly answers: KeptAnswers;
  /** The service takes no more calls. */
  readonly isStopping: boolean;
  /** A provider is asked. */
  onSent(terms: CallTerms<OperationName>): void;
  /** A try is over, and this is what the ledger is told of it. */
  onTried(tried: Tried, settlement: Settlement): void;
  /** A call's last try is over: this stands for what its caller asked for. */
  onEnded(terms: CallTerms<OperationName>, settlement: Settlement): void;
  /** A try of a provider failed, and another one follows. */
  onRetried(provider: Provider, reason: RetryReason): void;
  /** A call is over, and holds nothing any more. */
  onOver(call: Placed): void;
}
