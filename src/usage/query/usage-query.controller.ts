import { Controller, HttpCode, Post, type StreamableFile } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, CurrentPrincipal } from '../../identity/index.js';
import { CSV_TYPE, csvFile } from '../../platform/csv/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect } from '../../platform/http/index.js';
import { formatTimestamp } from '../../platform/protojson/index.js';
import { queryUsageRequest, queryUsageResponse, type QueryUsageRequest } from './usage-query.dto.js';
import { UsageQueryService, type UsageReader, type UsageTable } from './usage-query.service.js';

/** Only the tenant reads its whole usage; a human, or a key that acts as one, can't call these routes. */
@ApiTags('Usage')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/usage')
export class UsageQueryController {
  constructor(private readonly usage: UsageQueryService) {}

  @Post('query')
  @HttpCode(200)
  @ApiOperation({
    summary: 'What was used, by human, key, model, hour or day, as JSON or CSV.',
    description:
      'The sums of the ledger: calls that are over, by when they began, and what was reported. Calls under way are not in it. Whole numbers and decimals come as strings, exact to the last digit. Of months whose calls the operator no longer keeps (GATEHOUSE_LEDGER_RETENTION_DAYS) there are sums of each quarter of an hour: a quarter counts where it begins.',
  })
  @Access({ dashboardUser: { scope: 'usage:read' }, secretKey: { scope: 'usage:read' } })
  @Answers(queryUsageResponse, { orFile: CSV_TYPE })
  async query(
    @CurrentPrincipal(['dashboardUser', 'secretKey']) principal: UsageReader,
    @PlatformBody(queryUsageRequest) request: QueryUsageRequest,
  ): Promise<object> {
    if (request.format === 'CSV') return fileOf(await this.usage.table(principal, request));
    const { from, before, ...page } = await this.usage.page(principal, request);
    return { startTime: formatTimestamp(from), endTime: formatTimestamp(before), ...page };
  }
}

function fileOf({ from, before, csv }: UsageTable): StreamableFile {
  return csvFile(`usage-${dayOf(from)}-${dayOf(before)}.csv`, csv);
}

function dayOf(time: Date): string {
  return formatTimestamp(time).slice(0, 10);
}
