import { Controller, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal } from '../../identity/index.js';
import { Answers, JsonBody, OPENAI_DIALECT, QueryOf, SpeaksDialect } from '../../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../../platform/idempotency/index.js';
import { CHATTING_KINDS, CONVERSING, READING_CONVERSATIONS, type ChatPrincipal } from '../access/chat-access.js';
import {
  contextResponse,
  createContextRequest,
  createMessageRequest,
  listContextsResponse,
  listMessagesResponse,
  listQuery,
  messageResponse,
  type CreateContextRequest,
  type CreateMessageRequest,
  type ListQuery,
} from './contexts.dto.js';
import { ContextsService, type Listed } from './contexts.service.js';

/** Contexts as Gabber's clients use them. */
@ApiTags('Contexts')
@SpeaksDialect(OPENAI_DIALECT)
@Controller('v1/llm/context')
export class ContextsController {
  constructor(private readonly contexts: ContextsService) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Keep messages, to have them put before those of completions.',
    description: 'A completion names the context as `gabber.context`. It belongs to who makes it.',
  })
  @Access(CONVERSING)
  @Answers(contextResponse)
  async create(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @JsonBody(createContextRequest) request: CreateContextRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.contexts.create(principal, request, idempotencyKey));
  }

  @Get('list')
  @ApiOperation({ summary: "The caller's contexts, newest first." })
  @Access(READING_CONVERSATIONS)
  @Answers(listContextsResponse)
  async list(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @QueryOf(listQuery) query: ListQuery,
  ): Promise<object> {
    return envelope('/v1/llm/context/list', query, await this.contexts.list(principal, query));
  }

  @Get(':context')
  @ApiOperation({ summary: 'One context.' })
  @Access(READING_CONVERSATIONS)
  @Answers(contextResponse)
  get(@CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal, @Param('context') id: string): Promise<object> {
    return this.contexts.get(principal, id);
  }

  @Post(':context/message')
  @HttpCode(200)
  @ApiOperation({ summary: 'Put a message at the end of a context.' })
  @Access(CONVERSING)
  @Answers(messageResponse)
  async addMessage(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @Param('context') contextId: string,
    @JsonBody(createMessageRequest) message: CreateMessageRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.contexts.addMessage(principal, contextId, message, idempotencyKey));
  }

  @Get(':context/message/list')
  @ApiOperation({ summary: "A context's messages, in the order of the conversation." })
  @Access(READING_CONVERSATIONS)
  @Answers(listMessagesResponse)
  async listMessages(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @Param('context') contextId: string,
    @QueryOf(listQuery) query: ListQuery,
  ): Promise<object> {
    const listed = await this.contexts.listMessages(principal, contextId, query);
    return envelope(`/v1/llm/context/${contextId}/message/list`, query, listed);
  }

  @Get(':context/message/:message')
  @ApiOperation({ summary: 'One message of a context.' })
  @Access(READING_CONVERSATIONS)
  @Answers(messageResponse)
  getMessage(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @Param('context') contextId: string,
    @Param('message') id: string,
  ): Promise<object> {
    return this.contexts.getMessage(principal, contextId, id);
  }
}

/** Gabber tells the next page as an address. */
function envelope(path: string, { page_size: size }: ListQuery, { values, totalCount, nextPageToken }: Listed<object>) {
  const query = new URLSearchParams({ ...(size === 0 ? {} : { page_size: String(size) }), page_token: nextPageToken });
  return {
    ...(nextPageToken === '' ? {} : { next_page: `${path}?${query.toString()}` }),
    total_count: totalCount,
    values,
  };
}
