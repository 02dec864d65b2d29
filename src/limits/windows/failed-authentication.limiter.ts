import { Inject, Injectable } from '@nestjs/common';
import { ExpiredCredentialFault, FailedAuthentications, sourceOf } from '../../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Fault } from '../../platform/errors/index.js';
import { RateWindowStore, secondsUntilReset } from './rate-window.store.js';

/** No window ever holds so many. */
const UNREACHABLE = 1_000_000_000;

/**
 * Limits what one address may get wrong, in the windows and the store of every other limit, and so over all replicas. Only
 * failures count: a valid credential from the same address always passes. An expired credential weighs nothing: its app must
 * hear 401 to fetch a new one, even where its neighbours behind the address used up the failures. It takes a place that never
 * runs out, so that it takes as long as any other: the time must not tell that a credential was once good.
 */
@Injectable()
export class FailedAuthenticationLimiter extends FailedAuthentications {
  constructor(
    private readonly store: RateWindowStore,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {
    super();
  }

  async weigh(address: string, failure: Fault): Promise<Fault> {
    const source = sourceOf(address);
    const expired = failure instanceof ExpiredCredentialFault;
    const window = await this.store.take(
      `${expired ? 'expired' : 'failed'}:${source}`,
      expired ? UNREACHABLE : this.settings.failedAuthenticationsPerMinute,
    );
    if (expired || window.allowed) return failure;
    return new Fault('rate_limited', 'Too many failed authentications came from this address.', {
      retryAfterSeconds: secondsUntilReset(window, this.settings.rateWindowSeconds * 1000),
    });
  }
}
