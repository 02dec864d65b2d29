import { Controller, Get, Head, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiQuery, ApiTags, type ApiResponseSchemaHost } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  Access,
  CurrentPrincipal,
  Public,
  type AnonymousPrincipal,
  type SealedTokenPrincipal,
} from '../identity/index.js';
import { SpeaksDialect, Refuses } from '../platform/http/index.js';
import { ProcessService } from './process.service.js';
import { PROCESS_DIALECT } from './sealed-dialects.js';
import { VERSION } from '../platform/config/index.js';
import { greetingTo } from './greeting.js';

const PROCESS_ANSWER = {
  type: 'object',
  required: ['outputs', 'usage'],
  properties: {
    outputs: { type: 'array', items: { type: 'object', additionalProperties: true } },
    conversationState: { type: 'string' },
    usage: {
      type: 'object',
      properties: {
        service: {
          type: 'object',
          properties: { serviceId: { type: 'string' }, engine: { type: 'string' } },
        },
        totalMilliseconds: { type: 'number' },
      },
    },
  },
  additionalProperties: true,
} satisfies ApiResponseSchemaHost['schema'];
const TEXT = { type: 'string' } as const;

@ApiTags('Sealed access tokens')
@SpeaksDialect(PROCESS_DIALECT)
@Controller(['api/v1', 'api/v1alpha1'])
export class ProcessController {
  constructor(private readonly service: ProcessService) {}

  @Post('process')
  @HttpCode(200)
  @Access({ sealedToken: true, anonymous: true })
  @ApiOperation({
    summary: 'Ask a service, by AIsBreaker’s protocol',
    description:
      'The token holds the secret of the service. With `stream` the answer is server-sent events: `progress` with parts, then ' +
      '`final` with the whole, or `error`. Without a token only `chat:dummy` answers.',
  })
  @ApiBody({
    schema: {
      type: 'object',
      required: ['service', 'request'],
      properties: {
        service: {
          type: 'object',
          required: ['serviceId'],
          properties: {
            serviceId: { type: 'string' },
            engine: { type: 'string' },
            url: { type: 'string', description: 'Of an origin that the operator allows by SEALED_ALLOWED_ORIGINS.' },
            forward2ServiceProps: {
              type: 'object',
              description: 'Of `aisbreaker:network`: the service that the server at `url` is asked for.',
              required: ['serviceId'],
              properties: { serviceId: { type: 'string' } },
              additionalProperties: true,
            },
          },
        },
        request: {
          type: 'object',
          required: ['inputs'],
          properties: {
            inputs: { type: 'array', minItems: 1, items: { type: 'object', additionalProperties: true } },
            conversationState: { type: 'string' },
            stream: { type: 'boolean' },
          },
        },
      },
    },
  })
  @ApiOkResponse({
    content: {
      'application/json': { schema: PROCESS_ANSWER },
      'text/event-stream': { schema: { type: 'string' } },
    },
  })
  @Refuses(
    'no_service_secret',
    'unknown_service',
    'invalid_api_key',
    'content_refused',
    'upstream_failed',
    'upstream_timeout',
  )
  process(
    @CurrentPrincipal(['sealedToken', 'anonymous']) principal: SealedTokenPrincipal | AnonymousPrincipal,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.service.process(principal, request, reply);
  }

  @Head('process')
  @HttpCode(204)
  @Public('Says that the route is there.')
  @ApiOperation({ summary: 'Whether requests can be sent' })
  head(): void {
    // The status is the whole answer.
  }

  @Get('ping')
  @Public('Says that the service is there.')
  @ApiOperation({ summary: 'Whether the API answers' })
  @ApiOkResponse({ schema: { type: 'object', required: ['message'], properties: { message: TEXT } } })
  ping(): object {
    return { message: 'api-pong' };
  }

  @Get('version')
  @Public('Says which version it is.')
  @ApiOperation({ summary: 'The version of the API' })
  @ApiQuery({ name: 'name', required: false, schema: TEXT, description: 'Whom to greet.' })
  @ApiOkResponse({
    schema: { type: 'object', required: ['version', 'message'], properties: { version: TEXT, message: TEXT } },
  })
  version(@Query('name') name: unknown): object {
    return { version: VERSION, message: greetingTo(name) };
  }
}
