import { Controller, Headers, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Access, CurrentPrincipal, type AccessRule } from '../../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
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
  @ApiOperation({ summary: 'Create a thread. send-message also creates one' })
  @Access(WRITING)
  @Answers(createThreadResponse)
  @Refuses('already_exists', 'model_not_found', 'no_provider_configured')
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
    summary: 'Send a message; a run answers it',
    description:
      'Answers at once. Read the answer of the model with run-events, or with conversation-state when it is complete. Creates the thread if there is none.',
  })
  @Access(WRITING)
  @Answers(runResponse)
  @Refuses('model_not_set', 'no_provider_configured', 'model_not_allowed', 'run_in_progress')
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
    description: 'The newest messages first; `nextPageToken` is for older ones.',
  })
  @Access(READING)
  @Answers(conversationStateResponse)
  @Refuses('not_found')
  state(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(conversationStateRequest) request: ConversationStateRequest,
  ): Promise<object> {
    return this.threads.state(principal, request);
  }

  @Post('update-thread')
  @HttpCode(200)
  @ApiOperation({ summary: 'Change the fields of a thread that are sent. An active run is not affected' })
  @Access(WRITING)
  @Answers(threadResponse)
  @Refuses('not_found', 'model_not_found', 'no_provider_configured')
  update(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(updateThreadRequest) request: CreateThreadRequest,
  ): Promise<object> {
    return this.threads.update(principal, request);
  }

  @Post('delete-thread')
  @HttpCode(200)
  @ApiOperation({ summary: 'Delete a thread with its messages' })
  @Access(WRITING)
  @Answers(nothing)
  @Refuses('not_found')
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
    summary: 'Cancel a run',
    description:
      'Keeps what the model has said so far. An active run ends a moment later; a finished run does not change.',
  })
  @Access(WRITING)
  @Answers(runResponse)
  @Refuses('not_found')
  cancel(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(runRequest) { runId }: RunRequest,
  ): Promise<RunAnswer> {
    return this.runs.cancel(principal, runId);
  }

  @Post('submit-tool-outputs')
  @HttpCode(200)
  @ApiOperation({ summary: 'Send the outputs of the tools that the model called; the run continues' })
  @Access(WRITING)
  @Answers(runResponse)
  @Refuses('not_found', 'no_tool_outputs_wanted')
  submitToolOutputs(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(submitToolOutputsRequest) request: SubmitToolOutputsRequest,
  ): Promise<RunAnswer> {
    return this.runs.submitToolOutputs(principal, request);
  }

  @Post('run-events')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Read a run as server-sent events, on any replica, also after its end',
    description:
      'Events: `delta` {runId, content}, `tool_calls` {runId, toolCalls[]}, and last `end` {runId, status, error?}. They begin at the start, or after `Last-Event-ID`.',
  })
  @ApiHeader({ name: 'last-event-id', required: false, description: 'The id of the last event that you have.' })
  @ApiOkResponse({ content: { 'text/event-stream': { schema: { type: 'string' } } } })
  @Access(READING)
  @Refuses('not_found')
  events(
    @CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal,
    @PlatformBody(runRequest) { runId }: RunRequest,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.runs.events(principal, runId, lastEventId ?? null, reply);
  }
}
