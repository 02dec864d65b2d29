import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { throttleKey, type EndUserPrincipal, type PublishableKey } from '../../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Fault } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import { RateWindowStore, secondsUntilReset, type RateWindow } from './rate-window.store.js';

/** Whose window it is, as the IETF pair names its policies. */
type Policy = 'user' | 'key' | 'human';

interface Shown {
  readonly policy: Policy;
  readonly window: RateWindow;
}

/**
 * Counts a recognised caller's requests and tells the caller how many are left. Guarantee: from here on every answer to a
 * recognised caller carries the window's headers, errors included, since they are set before anything else can fail; and
 * of N parallel requests against M places left exactly M pass. A request that presents nothing is not counted here.
 *
 * An end user has two windows: a human's own at this key, then the key's, so that one human alone can't use up what the
 * key has for all. A usage token has the human's alone: apps must not use up the window of the server whose key made it.
 */
@Injectable()
export class RateLimitGuard implements CanActivate {
  constructor(
    private readonly store: RateWindowStore,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const http = context.switchToHttp();
    const { principal, recognisedKey } = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    if (principal === null) return recognisedKey === null || this.show(reply, recognisedKey);
    switch (principal.kind) {
      case 'account':
      case 'dashboardUser':
        return this.admit(reply, 'user', throttleKey(principal), this.settings.requestsPerMinute);
      case 'secretKey':
      case 'impersonation':
        return this.admit(reply, 'key', throttleKey(principal), principal.requestsPerMinute);
      case 'endUser':
        return this.admitEndUser(reply, principal);
      case 'usageToken':
        return this.admit(reply, 'human', throttleKey(principal), principal.requestsPerMinutePerHuman);
      default:
        return principal satisfies never;
    }
  }

  /** Without a promise where the store needs none. */
  private admit(reply: FastifyReply, policy: Policy, key: string, limit: number): boolean | Promise<boolean> {
    const taken = this.store.take(key, limit);
    return taken instanceof Promise
      ? taken.then((window) => this.answer(reply, { policy, window }))
      : this.answer(reply, { policy, window: taken });
  }

  /**
   * The human's window first: whoever used up its own takes no place of the key's from others, not for a moment. Where
   * the key then refuses, the human's place is given back, since a refused request is not counted; that the human was
   * short of one meanwhile matters to nobody, as the key would have refused too.
   */
  private async admitEndUser(reply: FastifyReply, principal: EndUserPrincipal): Promise<boolean> {
    const { keyId, requestsPerMinute, requestsPerMinutePerHuman } = principal;
    const policies = `${this.policy('human', requestsPerMinutePerHuman)}, ${this.policy('key', requestsPerMinute)}`;
    const humanKey = throttleKey(principal);
    const ofHuman: Shown = { policy: 'human', window: await this.store.take(humanKey, requestsPerMinutePerHuman) };
    if (!ofHuman.window.allowed) return this.answer(reply, ofHuman, policies);
    const ofKey: Shown = { policy: 'key', window: await this.store.take(windowOfKey(keyId), requestsPerMinute) };
    if (!ofKey.window.allowed) await this.giveBack(humanKey, ofHuman.window);
    return this.answer(reply, ofKey.window.allowed ? tighter(ofHuman, ofKey) : ofKey, policies);
  }

  /** A failure here must not make a 503 of what is a 429: at worst the human has one place less for a while. */
  private async giveBack(key: string, taken: RateWindow): Promise<void> {
    try {
      await this.store.release(key, taken);
    } catch (error) {
      logger.warn({ err: error }, 'A place in a request window could not be given back.');
    }
  }

  /** A key was recognised, but nobody with it: it is told of its window, and not counted. */
  private async show(reply: FastifyReply, { keyId, requestsPerMinute }: PublishableKey): Promise<boolean> {
    const window = await this.store.peek(windowOfKey(keyId), requestsPerMinute);
    this.setHeaders(reply, { policy: 'key', window }, this.policy('key', window.limit));
    return true;
  }

  /** @throws Fault rate_limited */
  private answer(reply: FastifyReply, shown: Shown, policies = this.policy(shown.policy, shown.window.limit)): boolean {
    const retryAfterSeconds = this.setHeaders(reply, shown, policies);
    if (shown.window.allowed) return true;
    throw new Fault(
      'rate_limited',
      `The limit of ${shown.window.limit} requests in ${this.settings.rateWindowSeconds} seconds is reached.`,
      { retryAfterSeconds },
    );
  }

  /**
   * X-RateLimit-Reset is the Unix time in seconds at which the window closes; RateLimit's `t` is the
   * seconds to go. Of two windows RateLimit-Policy lists both, and everything else shows the tighter one: so has
   * draft-ietf-httpapi-ratelimit-headers-11 it, appendix B.3.1, "Use with multiple windows".
   *
   * @returns the seconds to go
   */
  private setHeaders(reply: FastifyReply, { policy, window }: Shown, policies: string): number {
    const seconds = secondsUntilReset(window);
    reply.header('x-ratelimit-limit', String(window.limit));
    reply.header('x-ratelimit-remaining', String(window.remaining));
    reply.header('x-ratelimit-reset', String(Math.ceil(window.resetsAtMs / 1000)));
    reply.header('ratelimit-policy', policies);
    reply.header('ratelimit', `"${policy}";r=${window.remaining};t=${seconds}`);
    return seconds;
  }

  private policy(policy: Policy, limit: number): string {
    return `"${policy}";q=${limit};w=${this.settings.rateWindowSeconds}`;
  }
}

function windowOfKey(keyId: string): string {
  return `key:${keyId}`;
}

/** The one with fewer places left; of two with as many, the one that stays so for longer. */
function tighter(one: Shown, other: Shown): Shown {
  if (one.window.remaining !== other.window.remaining)
    return one.window.remaining < other.window.remaining ? one : other;
  return one.window.resetsAtMs > other.window.resetsAtMs ? one : other;
}
