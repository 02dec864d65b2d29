import { Controller, Header, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Access, CurrentPrincipal, type AnonymousPrincipal, type SecretKeyPrincipal } from '../identity/index.js';
import { Answers, JsonBody, SpeaksDialect } from '../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../platform/idempotency/index.js';
import { mintRequest, mintResponse, type MintRequest } from './oauth-token.dto.js';
import { OAUTH_TOKEN_DIALECT } from './sealed-dialects.js';
import { SealedTokensService } from './sealed-tokens.service.js';

@ApiTags('Sealed access tokens')
@SpeaksDialect(OAUTH_TOKEN_DIALECT)
@Controller(['api/v1/oauth', 'api/v1alpha1/oauth'])
export class OauthTokenController {
  constructor(private readonly tokens: SealedTokensService) {}

  @Post('token')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @Access({ secretKey: { scope: 'chat:write' }, anonymous: true })
  @Answers(mintResponse)
  @ApiOperation({
    summary: 'Create a sealed access token',
    description:
      'The token holds encrypted provider secrets and quotas; the service does not store them. Made with a secret key, it belongs ' +
      "to the key's tenant and ends with the key. A repeat with the same Idempotency-Key is answered without the token.",
  })
  async mint(
    @CurrentPrincipal(['secretKey', 'anonymous']) principal: SecretKeyPrincipal | AnonymousPrincipal,
    @JsonBody(mintRequest) request: MintRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Req() { hostname, ip }: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<z.infer<typeof mintResponse>> {
    const answer = await this.tokens.mintOnce(principal, { hostname, address: ip, idempotencyKey }, request);
    const { jti, ...body } = sendIdempotent(reply, answer) as z.infer<typeof mintResponse> & { readonly jti: string };
    // Lets a user ask the operator to revoke the token: otherwise only the operator can read the `jti` out of it.
    reply.header('x-gatehouse-token-jti', jti);
    return body;
  }
}
