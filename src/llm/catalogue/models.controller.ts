import { Controller, Get, Req } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Access, CurrentPrincipal } from '../../identity/index.js';
import { Answers, OPENAI_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import { CHATTING, CHATTING_KINDS, type ChatPrincipal } from '../access/chat-access.js';
import type { Model } from '../models/model-catalogue.js';
import { CallersModels } from './callers-models.js';

export const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string(),
  })
  .meta({ 'x-name': 'Model' });
export const modelListSchema = z
  .object({ object: z.literal('list'), data: z.array(modelSchema) })
  .meta({ 'x-name': 'ModelList' });

@ApiTags('OpenAI')
@SpeaksDialect(OPENAI_DIALECT)
@Controller('v1/models')
export class ModelsController {
  constructor(private readonly models: CallersModels) {}

  @Get()
  @Access(CHATTING)
  @ApiOperation({ summary: 'The models that the caller may use' })
  @Answers(modelListSchema)
  @Refuses('no_provider_configured', 'upstream_unreachable', 'provider_credentials_unreadable')
  async list(@CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal): Promise<z.infer<typeof modelListSchema>> {
    return { object: 'list', data: [...(await this.models.list(principal))] };
  }

  /** A wildcard, since a model's name may hold slashes. */
  @Get('*')
  @Access(CHATTING)
  @ApiOperation({ summary: 'One model' })
  @ApiParam({
    name: 'path',
    description: "The model's id; it may contain slashes.",
    schema: { type: 'string' },
  })
  @Answers(modelSchema)
  @Refuses('model_not_found', 'no_provider_configured', 'upstream_unreachable')
  get(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @Req() request: FastifyRequest<{ Params: { '*': string } }>,
  ): Promise<Model> {
    return this.models.get(principal, request.params['*']);
  }
}
