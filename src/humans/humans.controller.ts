import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal, type AccessRule } from '../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../platform/idempotency/index.js';
import {
  deleteHumanResponse,
  humanRequest,
  humanResponse,
  listHumansRequest,
  listHumansResponse,
  upsertHumanRequest,
  upsertHumanResponse,
  type HumanRequest,
  type ListHumansRequest,
  type UpsertHumanRequest,
} from './humans.dto.js';
import { HumansService, type HumansPrincipal } from './humans.service.js';
import { viewHuman } from './humans.view.js';

const KINDS = ['dashboardUser', 'secretKey'] as const;
const READING: AccessRule = { dashboardUser: { scope: 'humans:read' }, secretKey: { scope: 'humans:read' } };
const WRITING: AccessRule = { dashboardUser: { scope: 'humans:write' }, secretKey: { scope: 'humans:write' } };

/** Only the tenant manages its humans; a human, or a key that acts as one, can't call these routes. */
@ApiTags('Humans')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/humans')
export class HumansController {
  constructor(private readonly humans: HumansService) {}

  @Post('list')
  @HttpCode(200)
  @ApiOperation({ summary: "The tenant's humans, newest first, with what is left of their limits." })
  @Access(READING)
  @Answers(listHumansResponse)
  async list(
    @CurrentPrincipal(KINDS) principal: HumansPrincipal,
    @PlatformBody(listHumansRequest) request: ListHumansRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.humans.list(principal, request);
    return { humans: records.map(viewHuman), nextPageToken };
  }

  @Post('get')
  @HttpCode(200)
  @ApiOperation({ summary: 'One human, with what is left of the limits.' })
  @Access(READING)
  @Answers(humanResponse)
  @Refuses('not_found')
  async get(
    @CurrentPrincipal(KINDS) principal: HumansPrincipal,
    @PlatformBody(humanRequest) request: HumanRequest,
  ): Promise<object> {
    return { human: viewHuman(await this.humans.get(principal, request)) };
  }

  @Post('upsert')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Create a human if there is none, and set the limits that are sent.',
    description: "A human is also created by its first call. A new human starts with the tenant's default limits.",
  })
  @Access(WRITING)
  @Answers(upsertHumanResponse)
  async upsert(
    @CurrentPrincipal(KINDS) principal: HumansPrincipal,
    @PlatformBody(upsertHumanRequest) request: UpsertHumanRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.humans.upsert(principal, request, idempotencyKey));
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Erase a human: tokens, limits, threads and everything that identifies them.',
    description: 'The ledger and the audit log keep their rows under an id that no longer identifies a person.',
  })
  @Access(WRITING)
  @Answers(deleteHumanResponse)
  @Refuses('not_found')
  async delete(
    @CurrentPrincipal(KINDS) principal: HumansPrincipal,
    @PlatformBody(humanRequest) request: HumanRequest,
  ): Promise<object> {
    await this.humans.delete(principal, request);
    return {};
  }
}
