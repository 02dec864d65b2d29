import type { UsageLedger } from '../../usage/index.js';
import type { LateCalls } from './late-calls.js';
import type { Placed } from './open-calls.js';

/** What all calls of a process share. */
export interface CallContext {
  readonly ledger: Pick<UsageLedger, 'reserve' | 'settle'>;
  readonly lateCalls: LateCalls;
  /** The service takes no more calls. */
  readonly isStopping: boolean;
  /** A call is over, and holds nothing any more. */
  onOver(call: Placed): void;
}
