import { Controller, Delete, Get, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, AuditedByReservation, CurrentPrincipal } from '../../identity/index.js';
import { OPENAI_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import {
  CALLING,
  CALLING_KINDS,
  type CallingPrincipal,
  CHATTING,
  CHATTING_KINDS,
  type ChatPrincipal,
} from '../access/chat-access.js';
import { Calls } from '../calls/calls.service.js';
import { KeptResponses } from './kept-responses.service.js';
import { DELETED_RESPONSE, RESPONSES_REQUEST, RESPONSE } from './responses.dto.js';
import { RESPONSES } from './responses.operation.js';
import { CALL_REFUSALS } from '../access/call-refusals.js';

@ApiTags('OpenAI')
@SpeaksDialect(OPENAI_DIALECT)
@Controller('v1/responses')
export class ResponsesController {
  constructor(
    private readonly calls: Calls,
    private readonly kept: KeptResponses,
  ) {}

  @Post()
  @HttpCode(200)
  @Access(CALLING)
  @AuditedByReservation()
  @ApiOperation({
    summary: 'A response, by OpenAI’s Responses API',
    description:
      'Passed through if the provider has this API. Otherwise translated to chat completions (text, images, functions, structured output), and nothing is stored.',
  })
  @ApiBody({ schema: RESPONSES_REQUEST })
  @ApiOkResponse({
    content: { 'application/json': { schema: RESPONSE }, 'text/event-stream': { schema: { type: 'string' } } },
  })
  @Refuses(...CALL_REFUSALS, 'previous_response_not_found')
  respond(
    @CurrentPrincipal(CALLING_KINDS) principal: CallingPrincipal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.calls.answer(RESPONSES, principal, request, reply, this.kept.waysOf(principal));
  }

  @Get(':response')
  @Access(CHATTING)
  @ApiOperation({
    summary: 'A stored response',
    description: 'Only your own, for thirty days. Free of charge.',
  })
  @ApiOkResponse({ schema: RESPONSE })
  @Refuses('response_not_found', 'upstream_unreachable', 'provider_authentication_failed')
  find(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @Param('response') id: string,
    @Req() { url }: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.kept.ask('GET', principal, id, url.split('?')[1] ?? '', reply);
  }

  @Delete(':response')
  @Access(CHATTING)
  @ApiOperation({ summary: 'Delete a stored response', description: 'Only your own.' })
  @ApiOkResponse({ schema: DELETED_RESPONSE })
  @Refuses('response_not_found', 'upstream_unreachable', 'provider_authentication_failed')
  delete(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @Param('response') id: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.kept.ask('DELETE', principal, id, '', reply);
  }
}
