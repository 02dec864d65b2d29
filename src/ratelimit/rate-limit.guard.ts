import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { throttleKey, type Principal } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Fault } from '../platform/errors/index.js';
import { RateWindowStore, type RateWindow } from './rate-window.store.js';

/**
 * Counts a recognised caller's requests and tells the caller how many are left. Guarantee: from here on every answer to a
 * recognised caller carries the window's headers, errors included, since they are set before anything else can fail; and
 * of N parallel requests against M places left exactly M pass. A request that presents nothing is not counted here.
 */
@Injectable()
export class RateLimitGuard implements CanActivate {
  constructor(
    private readonly store: RateWindowStore,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const { principal } = http.getRequest<FastifyRequest>();
    if (principal === null) return true;
    const taken = this.store.take(throttleKey(principal), this.limitOf(principal));
    const window = taken instanceof Promise ? await taken : taken;
    setRateLimitHeaders(http.getResponse<FastifyReply>(), window, this.settings.rateWindowSeconds);
    if (window.allowed) return true;
    throw new Fault(
      'rate_limited',
      `The limit of ${window.limit} requests in ${this.settings.rateWindowSeconds} seconds is reached.`,
      {
        retryAfterSeconds: secondsUntil(window.resetsAtMs),
      },
    );
  }

  private limitOf(principal: Principal): number {
    return principal.kind === 'secretKey' ? principal.requestsPerMinute : this.settings.requestsPerMinute;
  }
}

/**
 * X-RateLimit-Reset is the Unix time in seconds at which the window closes (ours); RateLimit's `t` is the seconds to go
 * (draft-ietf-httpapi-ratelimit-headers-10).
 */
function setRateLimitHeaders(reply: FastifyReply, window: RateWindow, windowSeconds: number): void {
  reply.header('x-ratelimit-limit', String(window.limit));
  reply.header('x-ratelimit-remaining', String(window.remaining));
  reply.header('x-ratelimit-reset', String(Math.ceil(window.resetsAtMs / 1000)));
  reply.header('ratelimit-policy', `"requests";q=${window.limit};w=${windowSeconds}`);
  reply.header('ratelimit', `"requests";r=${window.remaining};t=${secondsUntil(window.resetsAtMs)}`);
}

function secondsUntil(timeMs: number): number {
  return Math.max(1, Math.ceil((timeMs - Date.now()) / 1000));
}
