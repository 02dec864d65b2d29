import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, AuditedByReservation, CurrentPrincipal } from '../../identity/index.js';
import { OPENAI_DIALECT, SpeaksDialect } from '../../platform/http/index.js';
import { CALLING, CALLING_KINDS, type CallingPrincipal } from '../access/chat-access.js';
import { Calls } from '../calls/calls.service.js';
import { EMBEDDINGS } from './embeddings.operation.js';

const TOKENS = { type: 'array', minItems: 1, items: { type: 'integer', minimum: 0 } } as const;
const COUNT = { type: 'integer', minimum: 0 } as const;

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
  @ApiBody({
    schema: {
      type: 'object',
      required: ['model', 'input'],
      properties: {
        model: { type: 'string' },
        input: {
          oneOf: [
            { type: 'string' },
            { type: 'array', minItems: 1, items: { type: 'string' } },
            TOKENS,
            { type: 'array', minItems: 1, items: TOKENS },
          ],
        },
        dimensions: { type: 'integer', minimum: 1, nullable: true },
        encoding_format: { type: 'string', enum: ['float', 'base64'], nullable: true },
        user: { type: 'string' },
      },
      additionalProperties: true,
    },
  })
  @ApiOkResponse({
    schema: {
      type: 'object',
      required: ['object', 'data', 'model', 'usage'],
      properties: {
        object: { type: 'string', enum: ['list'] },
        data: {
          type: 'array',
          items: {
            type: 'object',
            required: ['object', 'index', 'embedding'],
            properties: {
              object: { type: 'string', enum: ['embedding'] },
              index: COUNT,
              embedding: { oneOf: [{ type: 'array', items: { type: 'number' } }, { type: 'string' }] },
            },
          },
        },
        model: { type: 'string' },
        usage: {
          type: 'object',
          required: ['prompt_tokens', 'total_tokens'],
          properties: { prompt_tokens: COUNT, total_tokens: COUNT },
        },
      },
      additionalProperties: true,
    },
  })
  embed(
    @CurrentPrincipal(CALLING_KINDS) principal: CallingPrincipal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.calls.answer(EMBEDDINGS, principal, request, reply);
  }
}
