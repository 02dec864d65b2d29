import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Strategy } from 'passport';
import { CredentialStrategies, USAGE_TOKEN_STRATEGY } from '../../identity/index.js';
import { UsageTokenDirectory } from './usage-token.directory.js';
import { USAGE_TOKEN_ISSUER } from './usage-token.jwt.js';

/**
 * Verifies usage tokens: JWTs of our own issuer. Guarantee: success means that a signing key in use signed the token, and
 * that token, key and human are good now by the database. A forged token is refused before any look-up; an unreachable store
 * is an error, not a refusal.
 */
@Injectable()
export class UsageTokenStrategy extends Strategy {
  constructor(
    private readonly directory: UsageTokenDirectory,
    strategies: CredentialStrategies,
  ) {
    super();
    strategies.register(USAGE_TOKEN_STRATEGY, this);
    strategies.registerIssuer(USAGE_TOKEN_ISSUER, USAGE_TOKEN_STRATEGY);
  }

  override authenticate(request: IncomingMessage): void {
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    this.directory.authenticate(token).then(
      (principal) => this.success(principal),
      (error: unknown) => this.error(error),
    );
  }
}
