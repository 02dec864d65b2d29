import { Controller, Headers, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Access, CurrentPrincipal, type AccessRule } from '../../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect } from '../../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../../platform/idempotency/index.js';
import { CHATTING_KINDS, type ChatPrincipal } from '../access/chat-access.js';
import {
  conversationStateRequest,
  conversationStateResponse,
  createThreadRequest,
  createThreadResponse,
  listThreadsRequest,
  listThreadsResponse,
  runRequest,
  runResponse,
  sendMessageRequest,
  submitToolOutputsRequest,
  threadRequest,
  threadResponse,
  updateThreadRequest,
  type ConversationStateRequest,
  type CreateThreadRequest,
  type ListThreadsRequest,
  type SendMessageRequest,
  type SubmitToolOutputsRequest,
} from './threads.dto.js';
import { ThreadRuns, type RunAnswer } from './thread-runs.service.js';
import { ThreadsService } from './threads.service.js';
import { viewListedThread } from './threads.view.js';

const READ = { scope: 'conversations:read' } as const;
const WRITE = { scope: 'conversations:write' } as const;
const READING = {
  dashboardUser: READ,
  secretKey: READ,
  impersonation: READ,
  endUser: READ,
  usageToken: READ,
} satisfies AccessRule;
const WRITING = {
  dashboardUser: WRITE,
  secretKey: WRITE,
  impersonation: WRITE,
  endUser: WRITE,
  usageToken: WRITE,
} satisfies AccessRule;

const nothing = z.object({});

type ThreadRequest = z.output<typeof threadRequest>;
type RunRequest = z.output<typeof runRequest>;

@ApiTags('Threads')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/llm/gateway')
export class ThreadsController {
  constructor(
    private readonly threads: ThreadsService,
    private readonly runs: ThreadRuns,
  ) {}

  @Post('create-thread')
  @HttpCode(200)
  @ApiOperation({ summary: 'Makes a thread; send-message makes one by itself, too' })
  @Access(WRITING)
  @Answers(createThreadResponse)
  async create(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(createThreadRequest) request: CreateThreadRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.threads.create(principal, request, idempotencyKey));
  }

  @Post('list-threads')
  @HttpCode(200)
  @ApiOperation({ summary: "The caller's threads, newest first" })
  @Access(READING)
  @Answers(listThreadsResponse)
  async list(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(listThreadsRequest) request: ListThreadsRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.threads.list(principal, request);
    return { threads: records.map(viewListedThread), nextPageToken };
  }

  @Post('send-message')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Sends a message; a run answers it',
    description:
      'Answers at once. What the model says comes by run-events, and stands in conversation-state once it is whole. A thread that is not there is made.',
  })
  @Access(WRITING)
  @Answers(runResponse)
  async send(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(sendMessageRequest) message: SendMessageRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const requestId = request.context?.requestId ?? '';
    return sendIdempotent(reply, await this.runs.send(principal, message, requestId, idempotencyKey));
  }

  @Post('conversation-state')
  @HttpCode(200)
  @ApiOperation({
    summary: 'A thread with its messages and settings',
    description: 'The newest messages first; `nextPageToken` leads to the older ones.',
  })
  @Access(READING)
  @Answers(conversationStateResponse)
  state(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(conversationStateRequest) request: ConversationStateRequest,
  ): Promise<object> {
    return this.threads.state(principal, request);
  }

  @Post('update-thread')
  @HttpCode(200)
  @ApiOperation({ summary: 'Changes what is named of a thread; a run that is under way goes on as it began' })
  @Access(WRITING)
  @Answers(threadResponse)
  update(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(updateThreadRequest) request: CreateThreadRequest,
  ): Promise<object> {
    return this.threads.update(principal, request);
  }

  @Post('delete-thread')
  @HttpCode(200)
  @ApiOperation({ summary: 'Deletes a thread with all that was said in it' })
  @Access(WRITING)
  @Answers(nothing)
  async delete(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(threadRequest) { conversationKey }: ThreadRequest,
  ): Promise<object> {
    await this.threads.delete(principal, conversationKey);
    return {};
  }

  @Post('cancel-run')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Ends a run',
    description:
      'What the model had said by then is kept. A run that is under way is told so at once, and has ended a moment later; one that has ended stays as it is.',
  })
  @Access(WRITING)
  @Answers(runResponse)
  cancel(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(runRequest) { runId }: RunRequest,
  ): Promise<RunAnswer> {
    return this.runs.cancel(principal, runId);
  }

  @Post('submit-tool-outputs')
  @HttpCode(200)
  @ApiOperation({ summary: 'Gives a run the outputs of the tools that the model called; it goes on with them' })
  @Access(WRITING)
  @Answers(runResponse)
  submitToolOutputs(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(submitToolOutputsRequest) request: SubmitToolOutputsRequest,
  ): Promise<RunAnswer> {
    return this.runs.submitToolOutputs(principal, request);
  }

  @Post('run-events')
  @HttpCode(200)
  @ApiOperation({
    summary: 'What a run says, as server-sent events, on any replica and also after its end',
    description:
      'Events: `delta` {runId, content}, `tool_calls` {runId, toolCalls[]}, and `end` {runId, status, error?} as the last one. From the start, or from behind `Last-Event-ID`.',
  })
  @ApiHeader({ name: 'last-event-id', required: false, description: 'The id of the last event that you have.' })
  @ApiOkResponse({ content: { 'text/event-stream': { schema: { type: 'string' } } } })
  @Access(READING)
  events(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(runRequest) { runId }: RunRequest,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.runs.events(principal, runId, lastEventId ?? null, reply);
  }
}
