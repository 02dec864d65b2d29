import { Injectable } from '@nestjs/common';
import {
  CredentialStrategies,
  SECRET_KEY_STRATEGY,
  refusedCredential,
  type SecretKeyPrincipal,
} from '../identity/index.js';
import { ApiKeyDirectory } from './api-key.directory.js';
import { isSecretKey } from './key-format.js';
import { keyStrategy } from './key-strategy.js';

/**
 * Verifies `sk_` keys. Guarantee: success means that the key is in the store, neither revoked nor expired. A malformed key or a
 * bad checksum is refused before any look-up; an unreachable store is an error, not a refusal.
 */
@Injectable()
export class SecretKeyStrategy {
  constructor(
    private readonly directory: ApiKeyDirectory,
    strategies: CredentialStrategies,
  ) {
    strategies.register(
      SECRET_KEY_STRATEGY,
      keyStrategy((key) => this.judge(key)),
    );
  }

  /** @throws Fault unauthenticated, unavailable */
  private judge(key: string): SecretKeyPrincipal | Promise<SecretKeyPrincipal> {
    if (!isSecretKey(key)) throw refusedCredential('malformed_key');
    return this.directory.findSecret(key);
  }
}
