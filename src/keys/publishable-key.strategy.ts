import { Injectable } from '@nestjs/common';
import {
  CredentialStrategies,
  PUBLISHABLE_KEY_STRATEGY,
  refusedCredential,
  type PublishableKey,
} from '../identity/index.js';
import { ApiKeyDirectory } from './api-key.directory.js';
import { isPublishableKey } from './key-format.js';
import { keyStrategy } from './key-strategy.js';

/**
 * Verifies `pk_` keys. Guarantee: success means that the key is stored as a publishable one, neither revoked nor expired. It
 * gives the tenant and the issuer of the users' tokens; by itself it does not identify a caller. A malformed key is refused
 * before any look-up; an unreachable store is an error, not a refusal.
 */
@Injectable()
export class PublishableKeyStrategy {
  constructor(
    private readonly directory: ApiKeyDirectory,
    strategies: CredentialStrategies,
  ) {
    strategies.register(
      PUBLISHABLE_KEY_STRATEGY,
      keyStrategy((key) => this.judge(key)),
    );
  }

  /** @throws Fault unauthenticated, unavailable */
  private judge(key: string): PublishableKey | Promise<PublishableKey> {
    if (!isPublishableKey(key)) throw refusedCredential('malformed_key');
    return this.directory.findPublishable(key);
  }
}
