import { Controller, Get, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Access, AuditedByReservation, CurrentPrincipal } from '../identity/index.js';
import {
  CALL_REFUSALS,
  CHAT,
  CHAT_ANSWER,
  CHAT_BODY,
  CHAT_BODY_BY_PATH,
  EMBEDDINGS,
  EMBEDDINGS_ANSWER,
  EMBEDDINGS_BODY,
  RESPONSE,
  RESPONSES,
  RESPONSES_REQUEST,
  modelListSchema,
  modelSchema,
  type Model,
} from '../llm/index.js';
import { Answers, SpeaksDialect, Refuses } from '../platform/http/index.js';
import { GATEWAY_DIALECT } from './gateway.dialect.js';
import { GatewayCalls } from './gateway-calls.js';
import { GatewayRoutes, type GatewayCaller } from './gateway.routes.js';

const CALLING = { gatewayToken: true, anonymous: true } as const;
const KINDS = ['gatewayToken', 'anonymous'] as const;

/** What OpenAI's clients ask of a gateway, whose address with `/v1` is their base URL. */
@ApiTags('Calls by gateways')
@SpeaksDialect(GATEWAY_DIALECT)
@ApiParam({ name: 'gatewayId', schema: { type: 'string' } })
@Controller('gateways/:gatewayId')
export class GatewayCallsController {
  constructor(
    private readonly calls: GatewayCalls,
    private readonly routes: GatewayRoutes,
  ) {}

  @Post('v1/chat/completions')
  @HttpCode(200)
  @Access(CALLING)
  @AuditedByReservation()
  @ApiOperation({
    summary: 'A chat completion by one of the gateway’s providers',
    description: 'The first provider that serves the model is called; `provider/model` names one.',
  })
  @ApiBody({ schema: CHAT_BODY })
  @ApiOkResponse({ content: CHAT_ANSWER })
  @Refuses(...CALL_REFUSALS)
  complete(
    @CurrentPrincipal(KINDS) principal: GatewayCaller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.calls.answer(CHAT, principal, request, reply);
  }

  @Post('v1/embeddings')
  @HttpCode(200)
  @Access(CALLING)
  @AuditedByReservation()
  @ApiOperation({ summary: 'Embeddings by one of the gateway’s providers' })
  @ApiBody({ schema: EMBEDDINGS_BODY })
  @ApiOkResponse({ schema: EMBEDDINGS_ANSWER })
  @Refuses(...CALL_REFUSALS)
  embed(
    @CurrentPrincipal(KINDS) principal: GatewayCaller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.calls.answer(EMBEDDINGS, principal, request, reply);
  }

  @Post('v1/responses')
  @HttpCode(200)
  @Access(CALLING)
  @AuditedByReservation()
  @ApiOperation({ summary: 'A response by one of the gateway’s providers' })
  @ApiBody({ schema: RESPONSES_REQUEST })
  @ApiOkResponse({
    content: { 'application/json': { schema: RESPONSE }, 'text/event-stream': { schema: { type: 'string' } } },
  })
  @Refuses(...CALL_REFUSALS, 'previous_response_not_found')
  respond(
    @CurrentPrincipal(KINDS) principal: GatewayCaller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.calls.answer(RESPONSES, principal, request, reply);
  }

  @Get('v1/models')
  @Access(CALLING)
  @ApiOperation({ summary: 'The models of the gateway’s providers' })
  @Answers(modelListSchema)
  @Refuses('upstream_unreachable')
  async listModels(@CurrentPrincipal(KINDS) principal: GatewayCaller): Promise<z.infer<typeof modelListSchema>> {
    return { object: 'list', data: [...(await this.routes.listModels(principal))] };
  }

  /** A wildcard, since a model's name may hold slashes. */
  @Get('v1/models/*')
  @Access(CALLING)
  @ApiOperation({ summary: 'One model of the gateway’s providers' })
  @ApiParam({
    name: 'path',
    description: 'The model’s id, or a provider’s name and the id; slashes may stand in it as they are.',
    schema: { type: 'string' },
  })
  @Answers(modelSchema)
  getModel(
    @CurrentPrincipal(KINDS) principal: GatewayCaller,
    @Req() request: FastifyRequest<{ Params: { '*': string } }>,
  ): Promise<Model> {
    return this.routes.getModel(principal, request.params['*']);
  }

  @Post(':provider/:model/chat/completions')
  @HttpCode(200)
  @Access(CALLING)
  @AuditedByReservation()
  @ApiOperation({
    summary: 'A chat completion by one provider and model',
    description: 'The path decides, whatever the body’s `model` says. Write a slash in a model’s name as `%2F`.',
  })
  @ApiParam({ name: 'provider', schema: { type: 'string' } })
  @ApiParam({ name: 'model', schema: { type: 'string' } })
  @ApiBody({ schema: CHAT_BODY_BY_PATH })
  @ApiOkResponse({ content: CHAT_ANSWER })
  @Refuses(...CALL_REFUSALS, 'provider_not_found')
  completeBy(
    @CurrentPrincipal(KINDS) principal: GatewayCaller,
    @Param('provider') provider: string,
    @Param('model') model: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.calls.answer(CHAT, principal, request, reply, { provider, model });
  }
}
