import { Controller, Get, Header, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Public } from '../identity/index.js';
import { PLATFORM_DIALECT, SpeaksDialect } from '../platform/http/index.js';
import { DevelopmentIssuer } from './development-issuer.js';
import { endUserIssuerAt } from './end-user-issuer.js';

/**
 * A development OpenID Connect issuer for the users of apps. The service finds its keys by discovery over HTTP, as with any
 * other issuer. It names itself by the address that it was asked at, so that publishable keys can name that address.
 */
@ApiExcludeController()
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('development/end-users')
export class EndUserIssuerController {
  constructor(private readonly issuer: DevelopmentIssuer) {}

  @Get('.well-known/openid-configuration')
  @Header('cache-control', 'public, max-age=300')
  @Public('The configuration of the development issuer; the route exists in development alone.')
  configuration(@Req() request: FastifyRequest): object {
    const issuer = endUserIssuerAt(`http://${request.host}`);
    return {
      issuer,
      jwks_uri: `${issuer}/jwks.json`,
      authorization_endpoint: `${issuer}/authorize`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    };
  }

  @Get('jwks.json')
  @Header('cache-control', 'public, max-age=300')
  @Public('Public keys of the development issuer; the route exists in development alone.')
  jwks(): object {
    return this.issuer.jwks();
  }
}
