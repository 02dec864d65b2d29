import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, AuditedByReservation, CurrentPrincipal, chargedHuman } from '../../identity/index.js';
import { OPENAI_DIALECT, SpeaksDialect } from '../../platform/http/index.js';
import { Calls } from '../calls/calls.service.js';
import { CALLING, CALLING_KINDS, type CallingPrincipal } from '../access/chat-access.js';
import { CHAT } from './chat.operation.js';
import { GabberRequests } from './gabber-request.js';
import { GabberSink } from './gabber-sink.js';

@ApiTags('OpenAI')
@SpeaksDialect(OPENAI_DIALECT)
@Controller('v1/chat')
export class ChatController {
  constructor(
    private readonly calls: Calls,
    private readonly gabber: GabberRequests,
  ) {}

  @Post('completions')
  @HttpCode(200)
  @Access(CALLING)
  @AuditedByReservation()
  @ApiOperation({
    summary: 'A chat completion, by OpenAI’s contract',
    description:
      'Every field that OpenAI takes is passed on; with `stream` the answer is server-sent events up to `[DONE]`. Beside a ' +
      'human’s completion stands `gabber.usage`: what it used.',
  })
  @ApiBody({
    schema: {
      type: 'object',
      required: ['model', 'messages'],
      properties: {
        model: { type: 'string' },
        messages: { type: 'array', minItems: 1, items: { type: 'object', additionalProperties: true } },
        stream: { type: 'boolean', nullable: true },
        stream_options: { type: 'object', nullable: true, additionalProperties: true },
        n: { type: 'integer', minimum: 1, maximum: 128, nullable: true },
        max_completion_tokens: { type: 'integer', minimum: -1, nullable: true },
        max_tokens: { type: 'integer', minimum: -1, nullable: true },
        gabber: {
          type: 'object',
          nullable: true,
          properties: {
            context: { type: 'string', description: 'A context whose messages stand before these; it is not changed.' },
          },
        },
      },
      additionalProperties: true,
    },
  })
  @ApiOkResponse({
    content: {
      'application/json': { schema: { type: 'object', additionalProperties: true } },
      'text/event-stream': { schema: { type: 'string' } },
    },
  })
  complete(
    @CurrentPrincipal(CALLING_KINDS) principal: CallingPrincipal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const human = chargedHuman(principal);
    return this.calls.answer(CHAT, principal, request, reply, {
      prepare: (json) => this.gabber.plain(json, principal, request),
      // Whoever is charged to no human gets the provider's bytes untouched.
      sinkOver: (sink) => (human === null ? sink : new GabberSink(sink, { tenantId: principal.tenantId, human })),
    });
  }
}
