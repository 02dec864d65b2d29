import { performance } from 'node:perf_hooks';
import { LRUCache } from 'lru-cache';
import { refusedCredential } from '../identity/index.js';
import { AccountLookups } from './account-lookups.js';
import type { AccountStatus, AccountStatusSource } from './account-status-source.js';

/** Whether the person that a genuine token names may still use it. */
export interface AccountCheck {
  /**
   * @param signedInAt the token's `auth_time`
   * @throws Fault unauthenticated: disabled, deleted, or the token revoked. unavailable: the issuer can't be asked
   */
  assertActive(userId: string, signedInAt: number): void | Promise<void>;
}

export interface CachedAccountStatusOptions {
  readonly source: AccountStatusSource;
  /** How old an answer may be that a request is served on. */
  readonly believedForSeconds: number;
  readonly maxEntries: number;
  /** How long a request may wait for an answer. */
  readonly waitMs?: number;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicNowMs?: () => number;
}

interface Kept {
  readonly status: AccountStatus;
  /** When the question went out: the answer may be as old as that. */
  readonly askedAtMs: number;
}

/**
 * A bounded memory of what the issuer said of its users.
 *
 * Guarantees: no request is served on an answer older than `believedForSeconds` (or than the call took, for one that
 * waited for it), so that a disabled, revoked or deleted user is refused by then; a person who keeps on working never
 * waits for the issuer, since an answer past half of its time is asked for again behind the request's back. While the
 * issuer can't be asked, answers that are too old end in 503: letting such people in would make an outage at the issuer
 * the way around every revocation, and a 401 would sign out everybody else. Refusals are kept like all other answers, or
 * a refused person could make us ask at every request.
 */
export class CachedAccountStatus implements AccountCheck {
  private readonly entries: LRUCache<string, Kept>;
  private readonly lookups: AccountLookups;
  private readonly believedForMs: number;
  private readonly nowMs: () => number;

  constructor({ source, believedForSeconds, maxEntries, waitMs, monotonicNowMs }: CachedAccountStatusOptions) {
    this.believedForMs = believedForSeconds * 1000;
    this.nowMs = monotonicNowMs ?? (() => performance.now());
    this.entries = new LRUCache({ max: maxEntries });
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
 * As Firebase's own libraries judge with `checkRevoked`: a token is revoked if its sign-in is older than the second from
 * which tokens are valid. One of that same second is good: a user who signs in again at once gets it. Both times are the
 * issuer's.
 */
function judge({ state, tokensValidAfter }: AccountStatus, signedInAt: number): void {
  if (state !== 'active') throw refusedCredential(`account_${state}`);
  if (tokensValidAfter !== null && signedInAt < tokensValidAfter) throw refusedCredential('sign_in_revoked');
}
