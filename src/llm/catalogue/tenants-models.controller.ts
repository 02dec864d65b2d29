import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, CurrentPrincipal, type AccessRule } from '../../identity/index.js';
import {
  Answers,
  PLATFORM_DIALECT,
  PlatformBody,
  SpeaksDialect,
  type PageRequest,
  Refuses,
} from '../../platform/http/index.js';
import {
  listModelsRequest,
  listModelsResponse,
  updateModelRequest,
  updateModelResponse,
  type UpdateModelRequest,
} from './tenants-models.dto.js';
import { TenantsModelsService, type ModelsPrincipal } from './tenants-models.service.js';

const KINDS = ['dashboardUser', 'secretKey'] as const;
const READING: AccessRule = { dashboardUser: { scope: 'providers:read' }, secretKey: { scope: 'providers:read' } };
const WRITING: AccessRule = { dashboardUser: { scope: 'providers:write' }, secretKey: { scope: 'providers:write' } };

@ApiTags('Models')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/llm/models')
export class TenantsModelsController {
  constructor(private readonly models: TenantsModelsService) {}

  @Post('list')
  @HttpCode(200)
  @ApiOperation({ summary: 'The models that the tenant can name: where each leads, its limits and its prices.' })
  @Access(READING)
  @Answers(listModelsResponse)
  @Refuses('upstream_unreachable')
  list(
    @CurrentPrincipal(KINDS) principal: ModelsPrincipal,
    @PlatformBody(listModelsRequest) request: PageRequest,
  ): Promise<object> {
    return this.models.list(principal, request);
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Override the facts and prices of a model for this tenant.',
    description: 'Changes the fields that are sent. Later calls are limited and priced by them.',
  })
  @Access(WRITING)
  @Answers(updateModelResponse)
  async update(
    @CurrentPrincipal(KINDS) principal: ModelsPrincipal,
    @PlatformBody(updateModelRequest) request: UpdateModelRequest,
  ): Promise<object> {
    return { model: await this.models.update(principal, request) };
  }
}
