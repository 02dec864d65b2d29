import { Inject, Injectable } from '@nestjs/common';
import { ExpiredCredentialFault, FailedAuthentications } from '../../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Fault } from '../../platform/errors/index.js';
import { sourceOf } from '../../platform/http/index.js';
import { RateWindowStore, secondsUntilReset } from './rate-window.store.js';

/** No window ever counts so many requests. */
const UNREACHABLE = 1_000_000_000;

/**
 * Limits the failed authentications of one address, in the store of all windows, and so over all replicas. A
 * valid credential always passes.
 *
 * An expired credential does not count: its app must get 401 to fetch a new one, even if its neighbours behind the address used
 * up the limit. It takes a place in a window that never fills, so that the time does not tell that it was once good.
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
    return new Fault(
      'rate_limited',
      'Too many failed authentications came from this address. Check the credential, and wait for the seconds in Retry-After.',
      {
        retryAfterSeconds: secondsUntilReset(window, this.settings.rateWindowSeconds * 1000),
      },
    );
  }
}
