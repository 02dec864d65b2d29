import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Passport } from 'passport';
import { HeaderAPIKeyStrategy } from 'passport-headerapikey';
import {
  CredentialStrategies,
  PUBLISHABLE_KEY_STRATEGY,
  refusedCredential,
  type PublishableKey,
} from '../identity/index.js';
import { ApiKeyDirectory } from './api-key.directory.js';
import { isPublishableKey } from './key-format.js';

/**
 * Verifies `pk_` keys. Guarantee: success means that the key is stored as a publishable one, neither revoked nor expired. It
 * gives the tenant and the issuer of the users' tokens; by itself it does not identify a caller. A malformed key is refused
 * before any look-up; an unreachable store is an error, not a refusal.
 */
@Injectable()
export class PublishableKeyStrategy extends PassportStrategy(HeaderAPIKeyStrategy) {
  constructor(
    private readonly directory: ApiKeyDirectory,
    strategies: CredentialStrategies,
  ) {
    super({ header: 'X-API-Key', prefix: '' }, false);
    strategies.register(PUBLISHABLE_KEY_STRATEGY, this);
  }

  /** @throws Fault unauthenticated, unavailable */
  validate(key: string): PublishableKey | Promise<PublishableKey> {
    if (!isPublishableKey(key)) throw refusedCredential('malformed_key');
    return this.directory.authenticatePublishable(key);
  }

  /** Passport's default registry is shared by the process; ours belongs to the application (CredentialStrategies). */
  getPassportInstance(): InstanceType<typeof Passport> {
    return new Passport();
  }
}
