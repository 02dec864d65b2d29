import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '../identity/index.js';
import { PLATFORM_DIALECT, SpeaksDialect } from '../platform/http/index.js';
import { DevelopmentIssuer } from './development-issuer.js';

/** Left out of the API's description, which is the same in every mode. */
@ApiExcludeController()
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('.well-known')
export class DevelopmentController {
  constructor(private readonly issuer: DevelopmentIssuer) {}

  @Get('development-jwks.json')
  @Header('cache-control', 'public, max-age=300')
  @Public('Public keys of the development issuer; the route exists in development alone.')
  jwks(): object {
    return this.issuer.jwks();
  }
}
