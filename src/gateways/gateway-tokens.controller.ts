import { Controller, Delete, Get, HttpCode, Param, Patch, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal } from '../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, QueryOf, SpeaksDialect, Refuses } from '../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../platform/idempotency/index.js';
import { MANAGER_KINDS, READS, WRITES, type GatewayManager } from './gateway-access.js';
import {
  createTokenRequest,
  createTokenResponse,
  deleteTokenResponse,
  listTokensQuery,
  listTokensResponse,
  tokenResponse,
  updateTokenRequest,
  type CreateTokenRequest,
  type ListTokensQuery,
  type UpdateTokenRequest,
} from './gateway-tokens.dto.js';
import { GatewayTokensService } from './gateway-tokens.service.js';

@ApiTags('Gateways')
@SpeaksDialect(PLATFORM_DIALECT)
@ApiParam({ name: 'gatewayId', schema: { type: 'string' } })
@Controller('api/v1/gateways/:gatewayId/tokens')
export class GatewayTokensController {
  constructor(private readonly tokens: GatewayTokensService) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({ summary: 'Create a token of the gateway; it is shown only this once.' })
  @Access(WRITES)
  @Answers(createTokenResponse)
  @Refuses('already_exists')
  async create(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @Param('gatewayId') gatewayId: string,
    @PlatformBody(createTokenRequest) request: CreateTokenRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.tokens.create(principal, gatewayId, request, idempotencyKey));
  }

  @Get()
  @ApiOperation({ summary: 'The tokens of the gateway, newest first. Secrets are not shown.' })
  @Access(READS)
  @Answers(listTokensResponse)
  async list(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @Param('gatewayId') gatewayId: string,
    @QueryOf(listTokensQuery) query: ListTokensQuery,
  ): Promise<object> {
    const { records, nextPageToken } = await this.tokens.list(principal, gatewayId, query);
    return { tokens: records, nextPageToken };
  }

  @Patch(':tokenId')
  @ApiOperation({ summary: 'Change the fields of a token that are sent. New limits apply at once.' })
  @ApiParam({ name: 'tokenId', schema: { type: 'string' } })
  @Access(WRITES)
  @Answers(tokenResponse)
  @Refuses('already_exists')
  async update(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @Param('gatewayId') gatewayId: string,
    @Param('tokenId') tokenId: string,
    @PlatformBody(updateTokenRequest) request: UpdateTokenRequest,
  ): Promise<object> {
    return this.tokens.update(principal, gatewayId, tokenId, request);
  }

  @Delete(':tokenId')
  @ApiOperation({ summary: 'Delete a token for good. Every replica refuses it within a second.' })
  @ApiParam({ name: 'tokenId', schema: { type: 'string' } })
  @Access(WRITES)
  @Answers(deleteTokenResponse)
  async delete(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @Param('gatewayId') gatewayId: string,
    @Param('tokenId') tokenId: string,
  ): Promise<object> {
    await this.tokens.delete(principal, gatewayId, tokenId);
    return {};
  }
}
