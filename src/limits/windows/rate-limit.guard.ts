import { Injectable, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import {
  InjectThrottlerOptions,
  InjectThrottlerStorage,
  ThrottlerGuard,
  type ThrottlerModuleOptions,
  type ThrottlerOptions,
  type ThrottlerRequest,
} from '@nestjs/throttler';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { throttleKey, type Principal, type PublishableKey } from '../../identity/index.js';
import type { Settings } from '../../platform/config/index.js';
import { Fault } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import { durationText } from './duration-text.js';
import { RateWindowStorage } from './rate-window.storage.js';
import { secondsUntilReset, type RateWindow } from './rate-window.store.js';

/** The owner of a window, as the IETF headers name its policy. */
type Policy = 'user' | 'key' | 'human';

interface Shown {
  readonly policy: Policy;
  readonly window: RateWindow;
}

interface Asked {
  readonly context: ExecutionContext;
  readonly key: string;
  readonly limit: number;
  readonly ttlMs: number;
}

/** One throttler, for the caller's own window. The guard itself takes an end user's second one. */
export function rateLimitOptions(storage: RateWindowStorage, settings: Settings): ThrottlerModuleOptions {
  return {
    storage,
    throttlers: [
      {
        name: 'caller',
        ttl: settings.rateWindowSeconds * 1000,
        limit: (context) => limitOf(callerOf(context), settings),
      },
    ],
  };
}

/**
 * Counts a recognised caller's requests and tells the caller how many are left. The library controls the steps; each
 * override below says what differs.
 *
 * - From here on every answer to a recognised caller has the window's headers, errors included. Of N parallel requests against
 *   M places exactly M pass. A request without a credential is not counted here.
 * - An end user has two windows: the human's own at this key, then the key's, so that one human can't use up the key's places.
 * - A usage token has only the human's: apps must not use up the window of the server whose key made it.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  constructor(
    @InjectThrottlerOptions() options: ThrottlerModuleOptions,
    @InjectThrottlerStorage() private readonly storage: RateWindowStorage,
  ) {
    super(options, storage, new Reflector());
  }

  /**
   * Takes the library's steps at once where a route declares nothing for them: it would ask twelve times what handler and class
   * declare, and wait for each answer.
   */
  override canActivate(context: ExecutionContext): Promise<boolean> {
    const [throttler] = this.throttlers;
    return throttler === undefined || hasOwnSettings(context.getHandler()) || hasOwnSettings(context.getClass())
      ? super.canActivate(context)
      : this.countBy(throttler, context);
  }

  /**
   * Skips requests without a principal, and tokens with quotas of their own; a recognised key still gets its window's headers.
   */
  protected override async shouldSkip(context: ExecutionContext): Promise<boolean> {
    const { principal, recognisedKey } = requestOf(context);
    if (principal !== null) return throttleKey(principal) === null;
    if (recognisedKey !== null) await this.show(context, recognisedKey);
    return true;
  }

  /** Counts by the principal; the library would count by the address. */
  protected override async getTracker(request: FastifyRequest): Promise<string> {
    const key = throttleKey(principalOf(request));
    if (key === null) throw withoutWindow();
    return key;
  }

  /** A caller has one window for all routes; the library would make one for each. */
  protected override generateKey(_context: ExecutionContext, tracker: string): string {
    return tracker;
  }

  /** @throws Fault rate_limited, unavailable */
  protected override async handleRequest(asked: ThrottlerRequest): Promise<boolean> {
    const { context, limit, ttl } = asked;
    const key = asked.generateKey(
      context,
      await asked.getTracker(requestOf(context), context),
      asked.throttler.name ?? '',
    );
    return this.count({ context, key, limit, ttlMs: ttl });
  }

  private countBy({ limit, ttl }: ThrottlerOptions, context: ExecutionContext): Promise<boolean> {
    const { principal } = requestOf(context);
    const key = principal === null ? null : throttleKey(principal);
    if (key === null) return this.shouldSkip(context);
    const ofCaller = typeof limit === 'function' ? limit(context) : limit;
    const count = (limit: number): Promise<true> => this.count({ context, key, limit, ttlMs: Number(ttl) });
    return ofCaller instanceof Promise ? ofCaller.then(count) : count(ofCaller);
  }

  /**
   * Takes an end user's place in the human's window first: a human without places then never takes one of the key's. If the key
   * refuses, the human's place is given back, since a refused request is not counted. A parallel request of that human could
   * lack this place for a moment, but the key would have refused it too.
   *
   * @throws Fault rate_limited, unavailable
   */
  private async count(asked: Asked): Promise<true> {
    const { context, key, limit, ttlMs } = asked;
    const principal = principalOf(requestOf(context));
    const taken = this.storage.take(key, limit);
    const window = taken instanceof Promise ? await taken : taken;
    const own: Shown = { policy: policyOf(principal), window };
    const ownPolicy = policyText(own.policy, limit, ttlMs);
    if (principal.kind !== 'endUser') return this.answer(asked, own, ownPolicy);

    const { keyId, requestsPerMinute } = principal;
    const policies = `${ownPolicy}, ${policyText('key', requestsPerMinute, ttlMs)}`;
    if (!window.allowed) return this.answer(asked, own, policies);
    const ofKey: Shown = { policy: 'key', window: await this.storage.take(windowOfKey(keyId), requestsPerMinute) };
    if (!ofKey.window.allowed) await this.giveBack(key, window);
    return this.answer(asked, ofKey.window.allowed ? tighter(own, ofKey) : ofKey, policies);
  }

  /** A failure here must not turn a 429 into a 503: at worst the human has one place less for a while. */
  private async giveBack(key: string, taken: RateWindow): Promise<void> {
    try {
      await this.storage.release(key, taken);
    } catch (error) {
      logger.warn({ err: error }, 'A place in a request window could not be given back.');
    }
  }

  private async show(context: ExecutionContext, { keyId, requestsPerMinute }: PublishableKey): Promise<void> {
    const window = await this.storage.peek(windowOfKey(keyId), requestsPerMinute);
    const ttlMs = Number(this.throttlers[0]?.ttl);
    setHeaders(context, { policy: 'key', window }, policyText('key', requestsPerMinute, ttlMs), ttlMs);
  }

  /** @throws Fault rate_limited */
  private answer({ context, ttlMs }: Asked, shown: Shown, policies: string): true {
    const retryAfterSeconds = setHeaders(context, shown, policies, ttlMs);
    if (shown.window.allowed) return true;
    throw new Fault(
      'rate_limited',
      `The limit of ${shown.window.limit} requests in ${ttlMs / 1000} seconds is reached. Wait for the seconds in Retry-After.`,
      { retryAfterSeconds },
    );
  }
}

/**
 * X-RateLimit-Reset is the Unix time in seconds at which the window closes; the library would send the seconds to go, which are
 * RateLimit's `t`. OpenAI's surface also has OpenAI's own headers, by which some clients pace themselves.
 *
 * RateLimit-Policy lists both windows of an end user; all other headers show the tighter one, as
 * in draft-ietf-httpapi-ratelimit-headers-11, appendix B.3.1.
 *
 * @returns the seconds to go
 */
function setHeaders(context: ExecutionContext, { policy, window }: Shown, policies: string, ttlMs: number): number {
  const reply = replyOf(context);
  const seconds = secondsUntilReset(window, ttlMs);
  reply.header('x-ratelimit-limit', String(window.limit));
  reply.header('x-ratelimit-remaining', String(window.remaining));
  reply.header('x-ratelimit-reset', String(Math.ceil(window.resetsAtMs / 1000)));
  reply.header('ratelimit-policy', policies);
  reply.header('ratelimit', `"${policy}";r=${window.remaining};t=${seconds}`);
  if (requestOf(context).url.startsWith(OPENAIS_PREFIX)) {
    reply.header('x-ratelimit-limit-requests', String(window.limit));
    reply.header('x-ratelimit-remaining-requests', String(window.remaining));
    reply.header('x-ratelimit-reset-requests', durationText(seconds));
  }
  return seconds;
}

const OPENAIS_PREFIX = '/v1/';

function policyText(policy: Policy, limit: number, ttlMs: number): string {
  return `"${policy}";q=${limit};w=${ttlMs / 1000}`;
}

function policyOf(principal: Principal): Policy {
  switch (principal.kind) {
    case 'account':
    case 'dashboardUser':
      return 'user';
    case 'secretKey':
    case 'impersonation':
      return 'key';
    case 'endUser':
    case 'usageToken':
      return 'human';
    case 'sealedToken':
    case 'gatewayToken':
    case 'anonymous':
      throw withoutWindow();
    default:
      return principal satisfies never;
  }
}

function limitOf(principal: Principal, settings: Settings): number {
  switch (principal.kind) {
    case 'account':
    case 'dashboardUser':
      return settings.requestsPerMinute;
    case 'secretKey':
    case 'impersonation':
      return principal.requestsPerMinute;
    case 'endUser':
    case 'usageToken':
      return principal.requestsPerMinutePerHuman;
    case 'sealedToken':
    case 'gatewayToken':
    case 'anonymous':
      throw withoutWindow();
    default:
      return principal satisfies never;
  }
}

/** `shouldSkip` has already skipped every caller without a window here. */
function withoutWindow(): TypeError {
  return new TypeError('A principal without a window is not counted here.');
}

function windowOfKey(keyId: string): string {
  return `key:${keyId}`;
}

/** The window with fewer places left; of two with equal places, the one that closes later. */
function tighter(one: Shown, other: Shown): Shown {
  if (one.window.remaining !== other.window.remaining)
    return one.window.remaining < other.window.remaining ? one : other;
  return one.window.resetsAtMs > other.window.resetsAtMs ? one : other;
}

/** What the library's decorators declare has this in its key. */
const DECLARED = 'THROTTLER:';
const known = new WeakMap<object, boolean>();

/** Whether a handler or a class has `@Throttle` or `@SkipThrottle`. Read once: nothing is declared once the service listens. */
function hasOwnSettings(target: object): boolean {
  let has = known.get(target);
  if (has === undefined) {
    has = Reflect.getMetadataKeys(target).some((key) => String(key).startsWith(DECLARED));
    known.set(target, has);
  }
  return has;
}

function requestOf(context: ExecutionContext): FastifyRequest {
  return context.getArgByIndex<FastifyRequest>(0);
}

function replyOf(context: ExecutionContext): FastifyReply {
  return context.getArgByIndex<FastifyReply>(1);
}

function callerOf(context: ExecutionContext): Principal {
  return principalOf(requestOf(context));
}

/** @throws TypeError: not reached, since `shouldSkip` skips requests without a principal */
function principalOf({ principal }: FastifyRequest): Principal {
  if (principal === null) throw new TypeError('A request without a principal has no window.');
  return principal;
}
