import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Strategy } from 'passport';
import { CredentialStrategies, SEALED_TOKEN_STRATEGY } from '../identity/index.js';
import { SealedTokenDirectory } from './sealed-token.directory.js';

/**
 * Verifies sealed access tokens. Guarantee: success means that one of our keys sealed the token for the host name at which it
 * is presented, and that the token and the key that made it are good now. An unreachable store is an error, not a refusal.
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
