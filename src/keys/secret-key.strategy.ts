import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Passport } from 'passport';
import { HeaderAPIKeyStrategy } from 'passport-headerapikey';
import {
  CredentialStrategies,
  SECRET_KEY_STRATEGY,
  refusedCredential,
  type SecretKeyPrincipal,
} from '../identity/index.js';
import { ApiKeyDirectory } from './api-key.directory.js';
import { isSecretKey } from './key-format.js';

/**
 * Verifies `sk_` keys. Guarantee: success means that the key is in the store, neither revoked nor expired. A malformed key or a
 * bad checksum is refused before any look-up; an unreachable store is an error, not a refusal.
 */
@Injectable()
export class SecretKeyStrategy extends PassportStrategy(HeaderAPIKeyStrategy) {
  constructor(
    private readonly directory: ApiKeyDirectory,
    strategies: CredentialStrategies,
  ) {
    super({ header: 'X-API-Key', prefix: '' }, false);
    strategies.register(SECRET_KEY_STRATEGY, this);
  }

  /** @throws Fault unauthenticated, unavailable */
  validate(key: string): SecretKeyPrincipal | Promise<SecretKeyPrincipal> {
    if (!isSecretKey(key)) throw refusedCredential('malformed_key');
    return this.directory.authenticate(key);
  }

  /** Passport's default registry is shared by the process; ours belongs to the application (CredentialStrategies). */
  getPassportInstance(): InstanceType<typeof Passport> {
    return new Passport();
  }
}
