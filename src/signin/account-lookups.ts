import { Fault } from '../platform/errors/index.js';
import { logger } from '../platform/logging/index.js';
import type { AccountStatus, AccountStatusSource } from './account-status-source.js';
import { Deadline } from './deadline.js';

export interface AccountLookupsOptions {
  readonly source: AccountStatusSource;
  /** How long a question without a waiting caller may wait to be sent together with others. */
  readonly gatherMs: number;
  /** How long a request may wait for its answer. A call takes less; this also bounds the wait for the call to begin. */
  readonly waitMs?: number;
  readonly nowMs: () => number;
  /** @param askedAtMs when the question was sent, by `nowMs` */
  readonly onAnswer: (userId: string, status: AccountStatus, askedAtMs: number) => void;
}

interface Lookup {
  readonly userId: string;
  readonly answer: Promise<AccountStatus>;
  readonly resolve: (status: AccountStatus) => void;
  readonly reject: (error: unknown) => void;
}

/** The issuer's limit for one call (Firebase: accounts:lookup). */
const USERS_PER_CALL = 100;
const CALLS_AT_ONCE = 4;
const WAIT_MS = 10_000;
const MAX_LOOKUPS = 10_000;
const PAUSE_AFTER_FAILURE_MS = 1000;
const RETRY_AFTER_SECONDS = 2;

const DELETED: AccountStatus = { state: 'deleted', tokensValidAfter: null };

/**
 * Asks the issuer about its users: one question per user at a time, however many requests wait for it,
 * and many users in one call.
 *
 * Bounded, since a wave of people who are unknown to this process (a restart, a Monday morning) must not become a wave of
 * calls: only the issuer's own users get here, at most four calls run at once, further questions share the next calls, and
 * after a failed call nothing is asked for a second.
 */
export class AccountLookups {
  /** Waiting or under way, by user. */
  private readonly lookups = new Map<string, Lookup>();
  private waiting: Lookup[] = [];
  private callsUnderWay = 0;
  private pausedUntilMs = -Infinity;
  private sendingSoon = false;
  private gatherTimer: NodeJS.Timeout | null = null;
  private pauseTimer: NodeJS.Timeout | null = null;

  constructor(private readonly options: AccountLookupsOptions) {}

  /** @throws Fault unavailable */
  async ask(userId: string): Promise<AccountStatus> {
    const lookup = this.lookups.get(userId) ?? this.add(userId);
    if (lookup === null) throw unavailable();
    this.sendSoon();
    const deadline = new Deadline(this.options.waitMs ?? WAIT_MS, UNAVAILABLE, RETRY_AFTER_SECONDS);
    try {
      return await deadline.race(lookup.answer);
    } finally {
      deadline.clear();
    }
  }

  /** For a question without a waiting caller: it may be sent together with others. */
  askLater(userId: string): void {
    if (this.lookups.has(userId) || this.add(userId) === null) return;
    this.gatherTimer ??= setTimeout(() => {
      this.gatherTimer = null;
      this.send();
    }, this.options.gatherMs).unref();
  }

  private add(userId: string): Lookup | null {
    if (this.lookups.size >= MAX_LOOKUPS) return null;
    const lookup = newLookup(userId);
    this.lookups.set(userId, lookup);
    this.waiting.push(lookup);
    return lookup;
  }

  /** Waits for this turn's other requests, so that their questions go along. */
  private sendSoon(): void {
    if (this.sendingSoon) return;
    this.sendingSoon = true;
    setImmediate(() => {
      this.sendingSoon = false;
      this.send();
    });
  }

  private send(): void {
    const pauseMs = this.pausedUntilMs - this.options.nowMs();
    if (pauseMs > 0) {
      this.pauseTimer ??= setTimeout(() => {
        this.pauseTimer = null;
        this.send();
      }, pauseMs).unref();
      return;
    }
    while (this.waiting.length > 0 && this.callsUnderWay < CALLS_AT_ONCE) {
      const batch = this.waiting.slice(0, USERS_PER_CALL);
      this.waiting = this.waiting.slice(USERS_PER_CALL);
      void this.call(batch);
    }
  }

  private async call(batch: readonly Lookup[]): Promise<void> {
    const { source, nowMs, onAnswer } = this.options;
    this.callsUnderWay += 1;
    const askedAtMs = nowMs();
    try {
      const statuses = await source.lookUp(batch.map(({ userId }) => userId));
      for (const { userId, resolve } of batch) {
        const status = statuses.get(userId) ?? DELETED;
        onAnswer(userId, status, askedAtMs);
        resolve(status);
      }
    } catch (error) {
      this.pausedUntilMs = nowMs() + PAUSE_AFTER_FAILURE_MS;
      logger.warn({ err: error, users: batch.length }, "The dashboard's issuer could not be asked about its users.");
      for (const { reject } of batch) reject(unavailable());
    } finally {
      for (const { userId } of batch) this.lookups.delete(userId);
      this.callsUnderWay -= 1;
      if (this.waiting.length > 0) this.send();
    }
  }
}

function newLookup(userId: string): Lookup {
  let resolve: Lookup['resolve'] = () => undefined;
  let reject: Lookup['reject'] = () => undefined;
  const answer = new Promise<AccountStatus>((onAnswer, onFailure) => {
    resolve = onAnswer;
    reject = onFailure;
  });
  // Prevents an unhandled rejection: a question may have no waiting caller.
  answer.catch(() => undefined);
  return { userId, answer, resolve, reject };
}

const UNAVAILABLE = "The token's issuer can't be asked about its user right now; try again.";

function unavailable(): Fault {
  return new Fault('unavailable', UNAVAILABLE, { retryAfterSeconds: RETRY_AFTER_SECONDS });
}
