import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, CurrentPrincipal } from '../../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import {
  listUsageTokensRequest,
  listUsageTokensResponse,
  revokeUsageTokenRequest,
  revokeUsageTokenResponse,
  type ListUsageTokensRequest,
  type RevokeUsageTokenRequest,
} from './tenant-usage-tokens.dto.js';
import { TenantUsageTokensService, type TokensManager } from './tenant-usage-tokens.service.js';

const KINDS = ['dashboardUser', 'secretKey'] as const;

/** A tenant's people and servers manage all its usage tokens one by one, whichever key made them. */
@ApiTags('Usage tokens')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/usage')
export class TenantUsageTokensController {
  constructor(private readonly tokens: TenantUsageTokensService) {}

  @Post('list-tokens')
  @HttpCode(200)
  @ApiOperation({
    summary: "The tenant's usage tokens, newest first, without the tokens themselves.",
    description: 'Tokens that ended are listed for about an hour.',
  })
  @Access({ dashboardUser: { scope: 'usage:read' }, secretKey: { scope: 'usage:read' } })
  @Answers(listUsageTokensResponse)
  async list(
    @CurrentPrincipal(KINDS) principal: TokensManager,
    @PlatformBody(listUsageTokensRequest) request: ListUsageTokensRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.tokens.list(principal, request);
    return { tokens: records, nextPageToken };
  }

  @Post('revoke-token')
  @HttpCode(200)
  @ApiOperation({ summary: 'Revoke one usage token for good. Every replica refuses it within a second.' })
  @Access({ dashboardUser: { scope: 'usage:write' }, secretKey: { scope: 'usage:write' } })
  @Answers(revokeUsageTokenResponse)
  @Refuses('not_found')
  async revoke(
    @CurrentPrincipal(KINDS) principal: TokensManager,
    @PlatformBody(revokeUsageTokenRequest) { tokenId }: RevokeUsageTokenRequest,
  ): Promise<object> {
    return { token: await this.tokens.revoke(principal, tokenId) };
  }
}
