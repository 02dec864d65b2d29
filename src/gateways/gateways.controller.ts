import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal } from '../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect } from '../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../platform/idempotency/index.js';
import { MANAGER_KINDS, READS, WRITES, type GatewayManager } from './gateway-access.js';
import {
  createGatewayRequest,
  createGatewayResponse,
  deleteGatewayResponse,
  gatewayIdRequest,
  gatewayResponse,
  listGatewaysRequest,
  listGatewaysResponse,
  updateGatewayRequest,
  type CreateGatewayRequest,
  type GatewayIdRequest,
  type ListGatewaysRequest,
  type UpdateGatewayRequest,
} from './gateways.dto.js';
import { GatewaysService } from './gateways.service.js';
import { viewGateway } from './gateways.view.js';

@ApiTags('Gateways')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/gateways')
export class GatewaysController {
  constructor(private readonly gateways: GatewaysService) {}

  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Make a gateway and its first token; calls can come at once.' })
  @Access(WRITES)
  @Answers(createGatewayResponse)
  async create(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @PlatformBody(createGatewayRequest) request: CreateGatewayRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.gateways.create(principal, request, idempotencyKey));
  }

  @Post('list')
  @HttpCode(200)
  @ApiOperation({ summary: "The tenant's gateways, newest first; by a part of the name." })
  @Access(READS)
  @Answers(listGatewaysResponse)
  async list(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @PlatformBody(listGatewaysRequest) request: ListGatewaysRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.gateways.list(principal, request);
    return { gateways: records.map(viewGateway), nextPageToken };
  }

  @Post('get')
  @HttpCode(200)
  @ApiOperation({ summary: 'One gateway, without the keys of its providers.' })
  @Access(READS)
  @Answers(gatewayResponse)
  async get(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @PlatformBody(gatewayIdRequest) { gatewayId }: GatewayIdRequest,
  ): Promise<object> {
    return { gateway: viewGateway(await this.gateways.get(principal, gatewayId)) };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Change what is named; the rest stays.',
    description: 'Another `endpoint` of a provider needs its `apiKey` again. A change of the limits holds at once.',
  })
  @Access(WRITES)
  @Answers(gatewayResponse)
  async update(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @PlatformBody(updateGatewayRequest) request: UpdateGatewayRequest,
  ): Promise<object> {
    return { gateway: viewGateway(await this.gateways.update(principal, request)) };
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take a gateway away with all that it holds; no replica serves its tokens a second later.' })
  @Access(WRITES)
  @Answers(deleteGatewayResponse)
  async delete(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @PlatformBody(gatewayIdRequest) { gatewayId }: GatewayIdRequest,
  ): Promise<object> {
    await this.gateways.delete(principal, gatewayId);
    return {};
  }
}
