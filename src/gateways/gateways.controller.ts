import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal } from '../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../platform/http/index.js';
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
  @ApiOperation({ summary: 'Create a gateway and its first token.' })
  @Access(WRITES)
  @Answers(createGatewayResponse)
  @Refuses('already_exists')
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
  @ApiOperation({ summary: "The tenant's gateways, newest first; filter by part of the name." })
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
  @Refuses('not_found')
  async get(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @PlatformBody(gatewayIdRequest) { gatewayId }: GatewayIdRequest,
  ): Promise<object> {
    return { gateway: viewGateway(await this.gateways.get(principal, gatewayId)) };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Change the fields that are sent; the others stay.',
    description: 'To change the `endpoint` of a provider, send its `apiKey` again. New limits apply at once.',
  })
  @Access(WRITES)
  @Answers(gatewayResponse)
  @Refuses('not_found', 'already_exists')
  async update(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @PlatformBody(updateGatewayRequest) request: UpdateGatewayRequest,
  ): Promise<object> {
    return { gateway: viewGateway(await this.gateways.update(principal, request)) };
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Delete a gateway with everything in it. Every replica refuses its tokens within a second.',
  })
  @Access(WRITES)
  @Answers(deleteGatewayResponse)
  @Refuses('not_found')
  async delete(
    @CurrentPrincipal(MANAGER_KINDS) principal: GatewayManager,
    @PlatformBody(gatewayIdRequest) { gatewayId }: GatewayIdRequest,
  ): Promise<object> {
    await this.gateways.delete(principal, gatewayId);
    return {};
  }
}
