import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, AuditedByReservation, CurrentPrincipal } from '../../identity/index.js';
import { OPENAI_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import { CALLING, CALLING_KINDS, type CallingPrincipal } from '../access/chat-access.js';
import { Calls } from '../calls/calls.service.js';
import { EMBEDDINGS_ANSWER, EMBEDDINGS_BODY } from './embeddings.dto.js';
import { EMBEDDINGS } from './embeddings.operation.js';
import { CALL_REFUSALS } from '../access/call-refusals.js';

@ApiTags('OpenAI')
@SpeaksDialect(OPENAI_DIALECT)
@Controller('v1/embeddings')
export class EmbeddingsController {
  constructor(private readonly calls: Calls) {}

  @Post()
  @HttpCode(200)
  @Access(CALLING)
  @AuditedByReservation()
  @ApiOperation({
    summary: 'Embeddings, by OpenAI’s contract',
    description: 'Every field that the provider takes is passed on. The input is charged; there is no output.',
  })
  @ApiBody({ schema: EMBEDDINGS_BODY })
  @ApiOkResponse({ schema: EMBEDDINGS_ANSWER })
  @Refuses(...CALL_REFUSALS)
  embed(
    @CurrentPrincipal(CALLING_KINDS) principal: CallingPrincipal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.calls.answer(EMBEDDINGS, principal, request, reply);
  }
}
