import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, CurrentPrincipal } from '../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../platform/http/index.js';
import { MANAGER_KINDS, READS, type GatewayManager } from './gateway-access.js';
import {
  getCallRequest,
  getCallResponse,
  listCallsRequest,
  listCallsResponse,
  type GetCallRequest,
  type ListCallsRequest,
} from './gateway-call-log.dto.js';
import { GatewayCallLogService } from './gateway-call-log.service.js';

@ApiTags('Gateways')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/gateways')
export class GatewayCallLogController {
  constructor(private readonly log: GatewayCallLogService) {}

  @Post('list-calls')
  @HttpCode(200)
  @ApiOperation({ summary: 'The finished calls of a gateway, newest first.' })
  @Access(READS)
  @Answers(listCallsResponse)
  @Refuses('not_found')
  async list(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @PlatformBody(listCallsRequest) request: ListCallsRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.log.list(principal, request);
    return { calls: records, nextPageToken };
  }

  @Post('get-call')
  @HttpCode(200)
  @ApiOperation({ summary: 'One call, with its bodies if the gateway keeps them.' })
  @Access(READS)
  @Answers(getCallResponse)
  @Refuses('not_found')
  async get(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @PlatformBody(getCallRequest) request: GetCallRequest,
  ): Promise<object> {
    const { call, bodies } = await this.log.get(principal, request);
    return {
      call,
      ...(bodies.request === null ? {} : { requestBody: bodies.request }),
      ...(bodies.response === null ? {} : { responseBody: bodies.response }),
    };
  }
}
