import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal } from '../../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
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

/** A tenant's routes; never as a human: where the tenant's calls go is the tenant's own business. */
@ApiTags('Routes')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/llm/routes')
export class RoutesController {
  constructor(private readonly routes: RoutesService) {}

  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Create a route: a name that callers send as `model`, and the targets of such calls.' })
  @Access(WRITES)
  @Answers(createRouteResponse)
  @Refuses('not_found', 'already_exists')
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
  @ApiOperation({ summary: "The tenant's routes, newest first; filter by part of the name." })
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
  @Refuses('not_found')
  async get(
    @CurrentPrincipal(KINDS) principal: RouteManager,
    @PlatformBody(routeIdRequest) { routeId }: RouteIdRequest,
  ): Promise<object> {
    return { route: viewRoute(await this.routes.get(principal, routeId)) };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({ summary: 'Change the fields that are sent; the others stay. Calls under way are not affected.' })
  @Access(WRITES)
  @Answers(routeResponse)
  @Refuses('not_found', 'already_exists')
  async update(
    @CurrentPrincipal(KINDS) principal: RouteManager,
    @PlatformBody(updateRouteRequest) request: UpdateRouteRequest,
  ): Promise<object> {
    return { route: viewRoute(await this.routes.update(principal, request)) };
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Delete a route. Its name is free on every replica within a second.',
  })
  @Access(WRITES)
  @Answers(deleteRouteResponse)
  @Refuses('not_found')
  async delete(
    @CurrentPrincipal(KINDS) principal: RouteManager,
    @PlatformBody(routeIdRequest) { routeId }: RouteIdRequest,
  ): Promise<object> {
    await this.routes.delete(principal, routeId);
    return {};
  }
}
