import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Strategy } from 'passport';
import { CredentialStrategies, SEALED_TOKEN_STRATEGY } from '../identity/index.js';
import { SealedTokenDirectory } from './sealed-token.directory.js';

/**
 * Verifies sealed access tokens. Guarantee: success means that a key of ours sealed the token for the host name at
 * which it is presented, and that it is good now, as is the key that it was made with. A store that can't be reached is
 * an error, not a refusal.
 */
@Injectable()
export class SealedTokenStrategy extends Strategy {
  constructor(
    private readonly directory: SealedTokenDirectory,
    strategies: CredentialStrategies,
  ) {
    super();
    strategies.register(SEALED_TOKEN_STRATEGY, this);
  }

  override authenticate({ headers }: IncomingMessage): void {
    const token = (headers.authorization ?? '').replace(/^Bearer /, '');
    this.directory.authenticate(token, headers.host ?? '').then(
      (principal) => this.success(principal),
      (error: unknown) => this.error(error),
    );
  }
}
