import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, AuditedByReservation, CurrentPrincipal } from '../../identity/index.js';
import { OPENAI_DIALECT, SpeaksDialect } from '../../platform/http/index.js';
import { Calls } from '../calls/calls.service.js';
import { CHATTING, CHATTING_KINDS, type ChatPrincipal } from '../access/chat-access.js';
import { CHAT } from './chat.operation.js';

@ApiTags('OpenAI')
@SpeaksDialect(OPENAI_DIALECT)
@Controller('v1/chat')
export class ChatController {
  constructor(private readonly calls: Calls) {}

  @Post('completions')
  @HttpCode(200)
  @Access(CHATTING)
  @AuditedByReservation()
  @ApiOperation({
    summary: 'A chat completion, by OpenAI’s contract',
    description:
      'Every field that OpenAI takes is passed on; with `stream` the answer is server-sent events up to `[DONE]`.',
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
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.calls.answer(CHAT, principal, request, reply);
  }
}
