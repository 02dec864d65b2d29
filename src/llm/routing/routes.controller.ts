import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal } from '../../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect } from '../../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../../platform/idempotency/index.js';
import {
  createRouteRequest,
  createRouteResponse,
  deleteRouteResponse,
  listRoutesRequest,
  listRoutesResponse,
  routeIdRequest,
  routeResponse,
  updateRouteRequest,
  type CreateRouteRequest,
  type ListRoutesRequest,
  type RouteIdRequest,
  type UpdateRouteRequest,
} from './routes.dto.js';
import { RoutesService, type RouteManager } from './routes.service.js';
import { viewRoute } from './routes.view.js';

const READS = { dashboardUser: { scope: 'providers:read' }, secretKey: { scope: 'providers:read' } } as const;
const WRITES = { dashboardUser: { scope: 'providers:write' }, secretKey: { scope: 'providers:write' } } as const;
const KINDS = ['dashboardUser', 'secretKey'] as const;

/** A tenant's routes; never as a human, who has no business with where the tenant's calls go. */
@ApiTags('Routes')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/llm/routes')
export class RoutesController {
  constructor(private readonly routes: RoutesService) {}

  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Make a route: a name that callers write as `model`, and where such calls go.' })
  @Access(WRITES)
  @Answers(createRouteResponse)
  async create(
    @CurrentPrincipal(KINDS) principal: RouteManager,
    @PlatformBody(createRouteRequest) request: CreateRouteRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.routes.create(principal, request, idempotencyKey));
  }

  @Post('list')
  @HttpCode(200)
  @ApiOperation({ summary: "The tenant's routes, newest first; by a part of the name." })
  @Access(READS)
  @Answers(listRoutesResponse)
  async list(
    @CurrentPrincipal(KINDS) principal: RouteManager,
    @PlatformBody(listRoutesRequest) request: ListRoutesRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.routes.list(principal, request);
    return { routes: records.map(viewRoute), nextPageToken };
  }

  @Post('get')
  @HttpCode(200)
  @ApiOperation({ summary: 'One route.' })
  @Access(READS)
  @Answers(routeResponse)
  async get(
    @CurrentPrincipal(KINDS) principal: RouteManager,
    @PlatformBody(routeIdRequest) { routeId }: RouteIdRequest,
  ): Promise<object> {
    return { route: viewRoute(await this.routes.get(principal, routeId)) };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({ summary: 'Change what is named; the rest stays. Calls that are under way go on as they began.' })
  @Access(WRITES)
  @Answers(routeResponse)
  async update(
    @CurrentPrincipal(KINDS) principal: RouteManager,
    @PlatformBody(updateRouteRequest) request: UpdateRouteRequest,
  ): Promise<object> {
    return { route: viewRoute(await this.routes.update(principal, request)) };
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Take a route away; its name is then that of a model again, on every replica within a second.',
  })
  @Access(WRITES)
  @Answers(deleteRouteResponse)
  async delete(
    @CurrentPrincipal(KINDS) principal: RouteManager,
    @PlatformBody(routeIdRequest) { routeId }: RouteIdRequest,
  ): Promise<object> {
    await this.routes.delete(principal, routeId);
    return {};
  }
}
