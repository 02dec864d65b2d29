import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../identity/index.js';
import { SigningKeyRing } from '../platform/crypto/index.js';
import { PLATFORM_DIALECT, SpeaksDialect } from '../platform/http/index.js';

@ApiTags('Keys')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('.well-known')
export class JwksController {
  constructor(private readonly signingKeys: SigningKeyRing) {}

  @Get('jwks.json')
  @Header('cache-control', 'public, max-age=300')
  @ApiOperation({ summary: 'The public keys of what the platform signs (RFC 7517).' })
  @ApiOkResponse({
    schema: {
      type: 'object',
      required: ['keys'],
      properties: { keys: { type: 'array', items: { type: 'object', additionalProperties: true } } },
    },
  })
  @Public('Verifiers of our tokens need the public keys, which are public.')
  jwks(): object {
    return this.signingKeys.publicJwks();
  }
}
