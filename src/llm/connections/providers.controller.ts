import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal } from '../../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../../platform/idempotency/index.js';
import {
  createProviderRequest,
  createProviderResponse,
  deleteProviderResponse,
  listProvidersRequest,
  listProvidersResponse,
  providerIdRequest,
  providerResponse,
  testProviderRequest,
  testProviderResponse,
  updateProviderRequest,
  type CreateProviderRequest,
  type ListProvidersRequest,
  type ProviderIdRequest,
  type TestProviderRequest,
  type UpdateProviderRequest,
} from './providers.dto.js';
import { ProvidersService, type ProviderManager } from './providers.service.js';
import { viewProvider } from './providers.view.js';

const READS = { dashboardUser: { scope: 'providers:read' }, secretKey: { scope: 'providers:read' } } as const;
const WRITES = { dashboardUser: { scope: 'providers:write' }, secretKey: { scope: 'providers:write' } } as const;
const KINDS = ['dashboardUser', 'secretKey'] as const;

/** A tenant's model providers; never as a human, who has no business with the tenant's credentials. */
@ApiTags('Model providers')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/llm/providers')
export class ProvidersController {
  constructor(private readonly providers: ProvidersService) {}

  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Add a model provider.' })
  @Access(WRITES)
  @Answers(createProviderResponse)
  @Refuses('already_exists')
  async create(
    @CurrentPrincipal(KINDS) principal: ProviderManager,
    @PlatformBody(createProviderRequest) request: CreateProviderRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.providers.create(principal, request, idempotencyKey));
  }

  @Post('list')
  @HttpCode(200)
  @ApiOperation({ summary: "The tenant's providers, newest first; filter by part of the name and by status." })
  @Access(READS)
  @Answers(listProvidersResponse)
  async list(
    @CurrentPrincipal(KINDS) principal: ProviderManager,
    @PlatformBody(listProvidersRequest) request: ListProvidersRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.providers.list(principal, request);
    return { providers: records.map(viewProvider), nextPageToken };
  }

  @Post('get')
  @HttpCode(200)
  @ApiOperation({ summary: 'One provider, without its credentials.' })
  @Access(READS)
  @Answers(providerResponse)
  @Refuses('not_found')
  async get(
    @CurrentPrincipal(KINDS) principal: ProviderManager,
    @PlatformBody(providerIdRequest) { providerId }: ProviderIdRequest,
  ): Promise<object> {
    return { provider: viewProvider(await this.providers.get(principal, providerId)) };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Change the fields that are sent; the others stay.',
    description:
      'To change `baseUrl`, send the `credentials` again. The kind cannot be changed; add another provider instead.',
  })
  @Access(WRITES)
  @Answers(providerResponse)
  @Refuses('not_found', 'already_exists')
  async update(
    @CurrentPrincipal(KINDS) principal: ProviderManager,
    @PlatformBody(updateProviderRequest) request: UpdateProviderRequest,
  ): Promise<object> {
    return { provider: viewProvider(await this.providers.update(principal, request)) };
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({ summary: 'Delete a provider and its credentials. No replica calls it after a second.' })
  @Access(WRITES)
  @Answers(deleteProviderResponse)
  @Refuses('not_found', 'conflict')
  async delete(
    @CurrentPrincipal(KINDS) principal: ProviderManager,
    @PlatformBody(providerIdRequest) { providerId }: ProviderIdRequest,
  ): Promise<object> {
    await this.providers.delete(principal, providerId);
    return {};
  }

  @Post('test')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Test a provider with the cheapest real call.',
    description:
      'The provider bills a few tokens of one model, or nothing for the list of models. The test is not in the log of calls.',
  })
  @Access(WRITES)
  @Answers(testProviderResponse)
  @Refuses('not_found', 'provider_credentials_unreadable', 'usage_limit_exceeded', 'usage_limit_busy')
  test(
    @CurrentPrincipal(KINDS) principal: ProviderManager,
    @PlatformBody(testProviderRequest) request: TestProviderRequest,
  ): Promise<object> {
    return this.providers.test(principal, request);
  }
}
