import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Strategy } from 'passport';
import { CredentialStrategies, SECRET_KEY_STRATEGY, unknownCredential } from '../identity/index.js';
import { ApiKeyDirectory } from './api-key.directory.js';
import { isSecretKey } from './key-format.js';

/**
 * Verifies `sk_` keys. Guarantee: success means that the key is in the store, neither revoked nor expired. A malformed
 * key or a bad checksum is refused before anything is looked up; a store that can't be reached is an error, not a
 * refusal.
 */
@Injectable()
export class SecretKeyStrategy extends Strategy {
  constructor(
    private readonly directory: ApiKeyDirectory,
    strategies: CredentialStrategies,
  ) {
    super();
    strategies.register(SECRET_KEY_STRATEGY, this);
  }

  override authenticate(request: IncomingMessage): void {
    const key = request.headers['x-api-key'];
    if (typeof key !== 'string' || !isSecretKey(key)) {
      this.error(unknownCredential());
      return;
    }
    this.directory.authenticate(key).then(
      (principal) => this.success(principal),
      (error: unknown) => this.error(error),
    );
  }
}
