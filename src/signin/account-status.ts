import { performance } from 'node:perf_hooks';
import type { LRUCache } from 'lru-cache';
import { refusedCredential } from '../identity/index.js';
import { boundedCache } from '../platform/caches/index.js';
import { AccountLookups } from './account-lookups.js';
import type { AccountStatus, AccountStatusSource } from './account-status-source.js';

/** Checks whether the person of a genuine token may still use it. */
export interface AccountCheck {
  /**
   * @param signedInAt the token's `auth_time`
   * @throws Fault unauthenticated: disabled, deleted, or the token revoked. unavailable: the issuer can't be asked
   */
  assertActive(userId: string, signedInAt: number): void | Promise<void>;
}

export interface CachedAccountStatusOptions {
  readonly source: AccountStatusSource;
  /** The greatest age of an answer on which a request is served. */
  readonly believedForSeconds: number;
  readonly maxEntries: number;
  /** How long a request may wait for an answer. */
  readonly waitMs?: number;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicNowMs?: () => number;
}

interface Kept {
  readonly status: AccountStatus;
  /** When the question was sent: the answer may be as old as that. */
  readonly askedAtMs: number;
}

/**
 * A bounded cache of the issuer's answers about its users.
 *
 * - No request is served on an answer older than `believedForSeconds`, or than the call took for a request that waited for it.
 *   So a disabled, revoked or deleted user is refused by then.
 * - An answer past half of its time is asked for again in the background, so that a person who keeps working never waits.
 * - While the issuer can't be asked, old answers end in 503. Serving them would let an outage bypass every revocation; a 401
 *   would sign out all other users.
 * - Refusals are cached too, or a refused person could make us ask at every request.
 */
export class CachedAccountStatus implements AccountCheck {
  private readonly entries: LRUCache<string, Kept>;
  private readonly lookups: AccountLookups;
  private readonly believedForMs: number;
  private readonly nowMs: () => number;

  constructor({ source, believedForSeconds, maxEntries, waitMs, monotonicNowMs }: CachedAccountStatusOptions) {
    this.believedForMs = believedForSeconds * 1000;
    this.nowMs = monotonicNowMs ?? (() => performance.now());
    this.entries = boundedCache({ maxEntries });
    this.lookups = new AccountLookups({
      source,
      gatherMs: this.believedForMs / 10,
      ...(waitMs === undefined ? {} : { waitMs }),
      nowMs: this.nowMs,
      onAnswer: (userId, status, askedAtMs) => this.entries.set(userId, { status, askedAtMs }),
    });
  }

  assertActive(userId: string, signedInAt: number): void | Promise<void> {
    const kept = this.entries.get(userId);
    const ageMs = kept === undefined ? Infinity : this.nowMs() - kept.askedAtMs;
    if (kept === undefined || ageMs >= this.believedForMs) return this.askAndJudge(userId, signedInAt);
    if (ageMs >= this.believedForMs / 2) this.lookups.askLater(userId);
    judge(kept.status, signedInAt);
  }

  private async askAndJudge(userId: string, signedInAt: number): Promise<void> {
    judge(await this.lookups.ask(userId), signedInAt);
  }
}

/**
 * Judges as Firebase's libraries do with `checkRevoked`: a token is revoked if its sign-in is before the second
 * from which tokens are valid. A sign-in in that second is good, since a user who signs in again at once gets it.
 * Both times are the issuer's.
 */
function judge({ state, tokensValidAfter }: AccountStatus, signedInAt: number): void {
  if (state !== 'active') throw refusedCredential(`account_${state}`);
  if (tokensValidAfter !== null && signedInAt < tokensValidAfter) throw refusedCredential('sign_in_revoked');
}
