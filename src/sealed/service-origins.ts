import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { invalidField } from '../platform/errors/index.js';

const FIELD = 'service.url';
/** In AIsBreaker's libraries this suffix means: call exactly this address. */
const NO_DEFAULT_PATH = '#no-default-path';

/**
 * The origins that a request may name, from the operator's list. A request sends one of its token's secrets
 * there, or the token itself.
 */
@Injectable()
export class ServiceOrigins {
  private readonly allowed: ReadonlySet<string>;

  constructor(@Inject(SETTINGS_TOKEN) { sealedAllowedOrigins }: Pick<Settings, 'sealedAllowedOrigins'>) {
    this.allowed = new Set(sealedAllowedOrigins);
  }

  /**
   * @returns the address without a slash at its end
   * @throws Fault invalid_input
   */
  assertAllowed(text: string): string {
    const url = URL.canParse(text) ? new URL(text) : null;
    // Compared by its parts, since `origin` of a `blob:` URL is that of the address within it.
    if (url === null || !this.allowed.has(`${url.protocol}//${url.host}`)) {
      throw invalidField(
        FIELD,
        'must begin with an origin that the operator allows by SEALED_ALLOWED_ORIGINS; leave it out, or ask for that',
      );
    }
    if (url.hash === NO_DEFAULT_PATH)
      throw invalidField(
        FIELD,
        `must not end with ${NO_DEFAULT_PATH}: each service is asked at its vendor's own path, after the address that you give`,
      );
    if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
      throw invalidField(FIELD, 'must not hold a user name, a query or a fragment');
    return url.href.replace(/\/+$/, '');
  }
}
