import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, CurrentPrincipal, threadOwner, type AccountPrincipal, type Principal } from '../../identity/index.js';
import {
  Answers,
  PageTokens,
  PlatformBody,
  PLATFORM_DIALECT,
  SpeaksDialect,
  type PageRequest,
} from '../../platform/http/index.js';
import { listThreadsRequest, listThreadsResponse } from './threads.dto.js';

const READING = { scope: 'conversations:read' } as const;

@ApiTags('Threads')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/llm/gateway')
export class ThreadsController {
  constructor(private readonly pageTokens: PageTokens) {}

  @Post('list-threads')
  @HttpCode(200)
  @ApiOperation({ summary: "The caller's threads, newest first. No threads are kept yet: the list is empty." })
  @Access({ dashboardUser: READING, secretKey: READING, impersonation: READING, endUser: READING, usageToken: READING })
  @Answers(listThreadsResponse)
  list(
    @CurrentPrincipal(['dashboardUser', 'secretKey', 'impersonation', 'endUser', 'usageToken'])
    principal: Exclude<Principal, AccountPrincipal>,
    @PlatformBody(listThreadsRequest) { pageToken }: PageRequest,
  ): object {
    // There is no second page: whatever token comes is none of this listing's.
    this.pageTokens.read(`llm/gateway/list-threads:${principal.tenantId}:${threadOwner(principal)}`, pageToken);
    return { threads: [], nextPageToken: '' };
  }
}
