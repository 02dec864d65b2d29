import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal } from '../../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../../platform/idempotency/index.js';
import { reportUsageRequest, reportUsageResponse, type ReportUsageRequest } from './usage-reports.dto.js';
import { UsageReportsService, type ReportingPrincipal } from './usage-reports.service.js';

@ApiTags('Usage')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/usage')
export class UsageReportsController {
  constructor(private readonly reports: UsageReportsService) {}

  @Post('report')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Report usage that the platform cannot see.',
    description:
      'Counted once for each `idempotencyKey`, whatever is retried. It is taken from the human’s limit, and beyond it too, since it happened: what is left is then 0.',
  })
  @Access({ dashboardUser: { scope: 'usage:write' }, secretKey: { scope: 'usage:write' } })
  @Answers(reportUsageResponse)
  @Refuses('conflict', 'usage_limit_exceeded')
  async report(
    @CurrentPrincipal(['dashboardUser', 'secretKey']) principal: ReportingPrincipal,
    @PlatformBody(reportUsageRequest) request: ReportUsageRequest,
    @IdempotencyKey() key: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.reports.report(principal, request, key));
  }
}
