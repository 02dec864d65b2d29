import { performance } from 'node:perf_hooks';
import type { KeyObject } from 'node:crypto';
import { Fault } from '../errors/index.js';
import { parseVerificationKey, type JwsAlgorithm, type VerificationKey } from './jwk.js';
import type { JwksDocument } from './jwks-document.js';

export interface JwksKeyStoreOptions {
  /** Asks the issuer. Implementations bound it in time and size. */
  readonly fetchJwks: () => Promise<JwksDocument>;
  readonly allowedAlgorithms: readonly JwsAlgorithm[];
  /** Most entries of a document that are looked at; reading each one costs time and memory. */
  readonly maxKeys?: number;
  /** Hears of every failed fetch, for the log. */
  readonly onFetchFailed?: (error: unknown) => void;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicNowMs?: () => number;
}

/** An unknown kid asks the issuer again at most this often, so that invented ones can't make us hammer it. */
const UNKNOWN_KID_COOLDOWN_MS = 30_000;
const RETRY_AFTER_FAILURE_MS = 5_000;
/** Keys that are older than their age by less than this serve while new ones are fetched behind the request's back. */
const BACKGROUND_REFRESH_MS = 5 * 60_000;
const MAX_AGE_SECONDS = { fallback: 3600, min: 30, max: 24 * 3600 };
const DEFAULT_MAX_KEYS = 200;

/**
 * An issuer's public keys by kid, kept as KeyObjects (a PEM or JWK would be parsed anew on every check). Guarantees: one
 * fetch at a time, which all requests wait for; a known key serves without delay while the issuer is down; a withdrawn key
 * serves at most its max-age and five minutes longer, unless the issuer can't be reached; a kid is called unknown only if the
 * issuer said so within the last cooldown, else the answer is "unavailable", since a wrong 401 would sign people out.
 */
export class JwksKeyStore {
  /** By kid; under null all of them. */
  private keys: ReadonlyMap<string | null, readonly VerificationKey[]> = new Map();
  private expiresAtMs = -Infinity;
  private mayAskAgainAtMs = -Infinity;
  private failed = false;
  private inFlight: Promise<void> | null = null;
  private readonly nowMs: () => number;

  constructor(private readonly options: JwksKeyStoreOptions) {
    this.nowMs = options.monotonicNowMs ?? (() => performance.now());
  }

  /**
   * The key that `kid` names, if it serves `algorithm`; null: the issuer does not have it.
   * @param kid null: the token names none. It is then the issuer's only key for the algorithm; with several, none is
   * tried
   * @throws Fault unavailable
   */
  async find(kid: string | null, algorithm: JwsAlgorithm): Promise<KeyObject | null> {
    if (this.keys.has(kid)) await this.refreshExpired();
    else await this.refresh();
    const candidates = this.keys.get(kid);
    if (candidates === undefined && this.failed) {
      throw new Fault('unavailable', "The keys of the token's issuer can't be fetched right now; try again.", {
        retryAfterSeconds: RETRY_AFTER_FAILURE_MS / 1000,
      });
    }
    const [found, ...others] = candidates?.filter(({ algorithms }) => algorithms.includes(algorithm)) ?? [];
    return found !== undefined && others.length === 0 ? found.key : null;
  }

  private async refreshExpired(): Promise<void> {
    const overdueMs = this.nowMs() - this.expiresAtMs;
    if (overdueMs < 0) return;
    const refreshed = this.refresh();
    // Keys that were not used for long may have been withdrawn since: then ask first, unless asking fails anyway.
    if (overdueMs > BACKGROUND_REFRESH_MS && !this.failed) await refreshed;
  }

  /** Joins the fetch under way, or begins one if it is time. Never rejects. */
  private refresh(): Promise<void> {
    if (this.inFlight !== null) return this.inFlight;
    if (this.nowMs() < this.mayAskAgainAtMs) return Promise.resolve();
    this.inFlight = this.fetch().finally(() => {
      this.inFlight = null;
    });
    return this.inFlight;
  }

  private async fetch(): Promise<void> {
    try {
      const { keys, maxAgeSeconds = MAX_AGE_SECONDS.fallback } = await this.options.fetchJwks();
      this.keys = this.readKeys(keys);
      const ageSeconds = Math.min(Math.max(maxAgeSeconds, MAX_AGE_SECONDS.min), MAX_AGE_SECONDS.max);
      this.expiresAtMs = this.nowMs() + ageSeconds * 1000;
      this.mayAskAgainAtMs = this.nowMs() + UNKNOWN_KID_COOLDOWN_MS;
      this.failed = false;
    } catch (error) {
      this.mayAskAgainAtMs = this.nowMs() + RETRY_AFTER_FAILURE_MS;
      this.failed = true;
      this.options.onFetchFailed?.(error);
    }
  }

  /** @throws Error where none is usable: that is an issuer out of order, and what we had stays. */
  private readKeys(entries: readonly unknown[]): ReadonlyMap<string | null, readonly VerificationKey[]> {
    const all: VerificationKey[] = [];
    const keys = new Map<string | null, readonly VerificationKey[]>([[null, all]]);
    for (const entry of entries.slice(0, this.options.maxKeys ?? DEFAULT_MAX_KEYS)) {
      const key = parseVerificationKey(entry, this.options.allowedAlgorithms);
      if (key === null || (key.kid !== null && keys.has(key.kid))) continue;
      if (key.kid !== null) keys.set(key.kid, [key]);
      all.push(key);
    }
    if (all.length === 0) throw new Error("None of the issuer's keys can be used.");
    return keys;
  }
}
