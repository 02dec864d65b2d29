import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal, type AccessRule } from '../../identity/index.js';
import { Answers, PLATFORM_DIALECT, PlatformBody, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../../platform/idempotency/index.js';
import {
  deleteBudgetRequest,
  deleteBudgetResponse,
  listBudgetsRequest,
  listBudgetsResponse,
  setBudgetRequest,
  setBudgetResponse,
  type DeleteBudgetRequest,
  type ListBudgetsRequest,
  type SetBudgetRequest,
} from './budgets.dto.js';
import { BudgetsService, type BudgetsPrincipal } from './budgets.service.js';
import { viewBudget } from './budgets.view.js';

const KINDS = ['dashboardUser', 'secretKey'] as const;
const READING: AccessRule = { dashboardUser: { scope: 'usage:read' }, secretKey: { scope: 'usage:read' } };
const WRITING: AccessRule = { dashboardUser: { scope: 'usage:write' }, secretKey: { scope: 'usage:write' } };

/** Only the tenant manages budgets; the humans that they limit can't call these routes. */
@ApiTags('Budgets')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/budgets')
export class BudgetsController {
  constructor(private readonly budgets: BudgetsService) {}

  @Post('list')
  @HttpCode(200)
  @ApiOperation({ summary: "The tenant's budgets, newest first, with what is used, held and left of each." })
  @Access(READING)
  @Answers(listBudgetsResponse)
  async list(
    @CurrentPrincipal(KINDS) principal: BudgetsPrincipal,
    @PlatformBody(listBudgetsRequest) request: ListBudgetsRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.budgets.list(principal, request);
    return { budgets: records.map(viewBudget), nextPageToken };
  }

  @Post('set')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Set what a tenant, key, human or gateway may use.',
    description:
      'Changes the budget with the same holder, type, period, time zone and models, or creates it. With the period NONE, `limit` is what is left from now on; with a calendar period, what is already used stays used.',
  })
  @Access(WRITING)
  @Answers(setBudgetResponse)
  @Refuses('not_found')
  async set(
    @CurrentPrincipal(KINDS) principal: BudgetsPrincipal,
    @PlatformBody(setBudgetRequest) request: SetBudgetRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.budgets.set(principal, request, idempotencyKey));
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({ summary: 'Delete a budget.' })
  @Access(WRITING)
  @Answers(deleteBudgetResponse)
  @Refuses('not_found', 'conflict')
  async delete(
    @CurrentPrincipal(KINDS) principal: BudgetsPrincipal,
    @PlatformBody(deleteBudgetRequest) request: DeleteBudgetRequest,
  ): Promise<object> {
    await this.budgets.delete(principal, request);
    return {};
  }
}
