import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, AuditedByReservation, CurrentPrincipal, chargedHuman } from '../../identity/index.js';
import { OPENAI_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import { Calls } from '../calls/calls.service.js';
import { CALLING, CALLING_KINDS, type CallingPrincipal } from '../access/chat-access.js';
import { CHAT_ANSWER, GABBER_CHAT_BODY } from './chat.dto.js';
import { CHAT } from './chat.operation.js';
import { GabberRequests } from './gabber-request.js';
import { GabberSink } from './gabber-sink.js';
import { CALL_REFUSALS } from '../access/call-refusals.js';

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
      'Every field that OpenAI takes is passed on; with `stream` the answer is server-sent events up to `[DONE]`. For a ' +
      'human, the answer also has `gabber.usage`.',
  })
  @ApiBody({ schema: GABBER_CHAT_BODY })
  @ApiOkResponse({ content: CHAT_ANSWER })
  @Refuses(...CALL_REFUSALS, 'not_found')
  complete(
    @CurrentPrincipal(CALLING_KINDS) principal: CallingPrincipal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const human = chargedHuman(principal);
    return this.calls.answer(CHAT, principal, request, reply, {
      prepare: (json) => this.gabber.plain(json, principal, request),
      // Without a human to charge, the provider's bytes are passed on untouched.
      sinkOver: (sink) => (human === null ? sink : new GabberSink(sink, { tenantId: principal.tenantId, human })),
    });
  }
}
