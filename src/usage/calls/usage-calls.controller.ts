import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, CurrentPrincipal, type AccessRule } from '../../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import {
  getUsageCallRequest,
  getUsageCallResponse,
  listUsageCallsRequest,
  listUsageCallsResponse,
  type GetUsageCallRequest,
  type ListUsageCallsRequest,
} from './usage-calls.dto.js';
import { UsageCallsService, type CallsReader } from './usage-calls.service.js';

const KINDS = ['dashboardUser', 'secretKey'] as const;
const READING: AccessRule = { dashboardUser: { scope: 'usage:read' }, secretKey: { scope: 'usage:read' } };

@ApiTags('Usage')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/usage')
export class UsageCallsController {
  constructor(private readonly calls: UsageCallsService) {}

  @Post('list-calls')
  @HttpCode(200)
  @ApiOperation({
    summary: "The tenant's finished calls, newest first, without their prompts and answers.",
    description:
      'Where the operator keeps calls for a limited time (GATEHOUSE_LEDGER_RETENTION_DAYS), older months are not in the list; /api/v1/usage/query still counts them.',
  })
  @Access(READING)
  @Answers(listUsageCallsResponse)
  async list(
    @CurrentPrincipal(KINDS) principal: CallsReader,
    @PlatformBody(listUsageCallsRequest) request: ListUsageCallsRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.calls.list(principal, request);
    return { calls: records, nextPageToken };
  }

  @Post('get-call')
  @HttpCode(200)
  @ApiOperation({ summary: 'One finished call, without its prompt and answer.' })
  @Access(READING)
  @Refuses('not_found')
  @Answers(getUsageCallResponse)
  async get(
    @CurrentPrincipal(KINDS) principal: CallsReader,
    @PlatformBody(getUsageCallRequest) { callId }: GetUsageCallRequest,
  ): Promise<object> {
    return { call: await this.calls.get(principal, callId) };
  }
}
