import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Strategy } from 'passport';
import { CredentialStrategies, PUBLISHABLE_KEY_STRATEGY, unknownCredential } from '../identity/index.js';
import { ApiKeyDirectory } from './api-key.directory.js';
import { isPublishableKey } from './key-format.js';

/**
 * Verifies `pk_` keys. Guarantee: success means that the key is in the store as a publishable one, neither revoked nor
 * expired; it gives the tenant, and whose users' tokens the key takes, and is nobody by itself. As with `sk_` keys a
 * malformed one is refused before anything is looked up, and a store that can't be reached is an error, not a refusal.
 */
@Injectable()
export class PublishableKeyStrategy extends Strategy {
  constructor(
    private readonly directory: ApiKeyDirectory,
    strategies: CredentialStrategies,
  ) {
    super();
    strategies.register(PUBLISHABLE_KEY_STRATEGY, this);
  }

  override authenticate(request: IncomingMessage): void {
    const key = request.headers['x-api-key'];
    if (typeof key !== 'string' || !isPublishableKey(key)) {
      this.error(unknownCredential());
      return;
    }
    this.directory.authenticatePublishable(key).then(
      (publishableKey) => this.success(publishableKey),
      (error: unknown) => this.error(error),
    );
  }
}
