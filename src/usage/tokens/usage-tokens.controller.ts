import { Controller, Get, HttpCode, Post, Put, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal, type SecretKeyPrincipal, type UsageTokenPrincipal } from '../../identity/index.js';
import { Answers, JsonBody, OPENAI_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../../platform/idempotency/index.js';
import { viewLimits } from '../../limits/index.js';
import {
  createUsageTokenRequest,
  humanRequest,
  limitsResponse,
  limitsSetResponse,
  setLimitsRequest,
  ttlResponse,
  updateTtlRequest,
  usageTokenResponse,
  type CreateUsageTokenRequest,
  type HumanRequest,
  type SetLimitsRequest,
  type UpdateTtlRequest,
} from './usage-tokens.dto.js';
import { UsageTokensService } from './usage-tokens.service.js';

const WRITING = { secretKey: { scope: 'usage:write' } } as const;

@ApiTags('Usage tokens')
@SpeaksDialect(OPENAI_DIALECT)
@Controller('v1/usage')
export class UsageTokensController {
  constructor(private readonly tokens: UsageTokensService) {}

  @Post('token')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Create a token for one of your humans; it is shown only in this answer.',
    description: 'The human is created if new. `limits` are set as with PUT.',
  })
  @Access(WRITING)
  @Answers(usageTokenResponse)
  async create(
    @CurrentPrincipal(['secretKey']) principal: SecretKeyPrincipal,
    @JsonBody(createUsageTokenRequest) request: CreateUsageTokenRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.tokens.create(principal, request, idempotencyKey));
  }

  @Put('token')
  @ApiOperation({
    summary: 'Set what is left to a human, for each type that is sent; null removes a limit.',
    description: 'Calls that are under way then no longer count against the new value.',
  })
  @Access(WRITING)
  @Answers(limitsSetResponse)
  async setLimits(
    @CurrentPrincipal(['secretKey']) principal: SecretKeyPrincipal,
    @JsonBody(setLimitsRequest) request: SetLimitsRequest,
  ): Promise<object> {
    await this.tokens.setLimits(principal, request);
    return {};
  }

  @Get('limits')
  @ApiOperation({ summary: 'What is left to a human, for each limited type.' })
  @ApiHeader({ name: 'x-human-id', required: false, description: 'The human; needed with a secret key.' })
  @Access({ secretKey: true, usageToken: { scope: 'usage:read' } })
  @Answers(limitsResponse)
  async limits(
    @CurrentPrincipal(['secretKey', 'usageToken']) principal: SecretKeyPrincipal | UsageTokenPrincipal,
  ): Promise<object> {
    return viewLimits(await this.tokens.limitsLeft(principal));
  }

  @Post('token/check')
  @HttpCode(200)
  @ApiOperation({ summary: "How many seconds a human's token still lasts." })
  @Access({ secretKey: true })
  @Answers(ttlResponse)
  @Refuses('not_found')
  async check(
    @CurrentPrincipal(['secretKey']) principal: SecretKeyPrincipal,
    @JsonBody(humanRequest) request: HumanRequest,
  ): Promise<object> {
    return { ttl_seconds: await this.tokens.secondsLeft(principal, request) };
  }

  @Post('token/revoke')
  @HttpCode(200)
  @ApiOperation({ summary: "Revoke a human's tokens for good. Every replica refuses them within a second." })
  @ApiOkResponse({ description: 'Empty, even if there was no token.' })
  @Access(WRITING)
  revoke(
    @CurrentPrincipal(['secretKey']) principal: SecretKeyPrincipal,
    @JsonBody(humanRequest) request: HumanRequest,
  ): Promise<void> {
    return this.tokens.revoke(principal, request);
  }

  @Post('token/update_ttl')
  @HttpCode(200)
  @ApiOperation({ summary: "Set how long a human's live tokens last from now." })
  @ApiOkResponse({ description: 'Empty.' })
  @Access(WRITING)
  @Refuses('not_found')
  updateTtl(
    @CurrentPrincipal(['secretKey']) principal: SecretKeyPrincipal,
    @JsonBody(updateTtlRequest) request: UpdateTtlRequest,
  ): Promise<void> {
    return this.tokens.updateTtl(principal, request);
  }
}

/**
 * The same routes under older clients' paths, in the same dialect. A class of its own, since operations need ids of their own.
 */
@ApiTags('Usage tokens')
@SpeaksDialect(OPENAI_DIALECT)
@Controller('api/v1/usage')
export class OlderUsageTokensController extends UsageTokensController {}
