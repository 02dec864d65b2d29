import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal } from '../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect } from '../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../platform/idempotency/index.js';
import {
  createEndpointRequest,
  createEndpointResponse,
  deleteEndpointResponse,
  deliveryResponse,
  endpointIdRequest,
  endpointResponse,
  listDeliveriesRequest,
  listDeliveriesResponse,
  listEndpointsRequest,
  listEndpointsResponse,
  redeliverRequest,
  rotateSecretRequest,
  rotateSecretResponse,
  updateEndpointRequest,
  type CreateEndpointRequest,
  type EndpointIdRequest,
  type ListDeliveriesRequest,
  type ListEndpointsRequest,
  type RedeliverRequest,
  type RotateSecretRequest,
  type UpdateEndpointRequest,
} from './webhooks.dto.js';
import { WebhooksService, type WebhookManager } from './webhooks.service.js';
import { viewDelivery, viewEndpoint } from './webhooks.view.js';

const READS = { dashboardUser: { scope: 'webhooks:read' }, secretKey: { scope: 'webhooks:read' } } as const;
const WRITES = { dashboardUser: { scope: 'webhooks:write' }, secretKey: { scope: 'webhooks:write' } } as const;
const KINDS = ['dashboardUser', 'secretKey'] as const;

/** A tenant's webhooks; never as a human, whose business where the tenant's events go is not. */
@ApiTags('Webhooks')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/webhooks')
export class WebhooksController {
  constructor(private readonly webhooks: WebhooksService) {}

  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Be told of events at an address; the secret is in this answer and nowhere else.' })
  @Access(WRITES)
  @Answers(createEndpointResponse)
  async create(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(createEndpointRequest) request: CreateEndpointRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.webhooks.create(principal, request, idempotencyKey));
  }

  @Post('list')
  @HttpCode(200)
  @ApiOperation({ summary: "The tenant's endpoints, newest first." })
  @Access(READS)
  @Answers(listEndpointsResponse)
  async list(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(listEndpointsRequest) request: ListEndpointsRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.webhooks.list(principal, request);
    return { endpoints: records.map(viewEndpoint), nextPageToken };
  }

  @Post('get')
  @HttpCode(200)
  @ApiOperation({ summary: 'One endpoint.' })
  @Access(READS)
  @Answers(endpointResponse)
  async get(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(endpointIdRequest) { endpointId }: EndpointIdRequest,
  ): Promise<object> {
    return { endpoint: viewEndpoint(await this.webhooks.get(principal, endpointId)) };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Change what is named; the rest stays.',
    description: 'Another `url` needs the current `secret`; or move the endpoint by `rotate-secret`.',
  })
  @Access(WRITES)
  @Answers(endpointResponse)
  async update(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(updateEndpointRequest) request: UpdateEndpointRequest,
  ): Promise<object> {
    return { endpoint: viewEndpoint(await this.webhooks.update(principal, request)) };
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take an endpoint away, with what waits for it and what is known of its deliveries.' })
  @Access(WRITES)
  @Answers(deleteEndpointResponse)
  async delete(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(endpointIdRequest) { endpointId }: EndpointIdRequest,
  ): Promise<object> {
    await this.webhooks.delete(principal, endpointId);
    return {};
  }

  @Post('rotate-secret')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Give an endpoint a new secret; it is in this answer and nowhere else.',
    description: 'Deliveries are signed with the secret of before too, until `gracePeriodSeconds` are over.',
  })
  @Access(WRITES)
  @Answers(rotateSecretResponse)
  async rotateSecret(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(rotateSecretRequest) request: RotateSecretRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.webhooks.rotateSecret(principal, request, idempotencyKey));
  }

  @Post('list-deliveries')
  @HttpCode(200)
  @ApiOperation({ summary: 'What was sent, or is to be, newest first; by endpoint and status.' })
  @Access(READS)
  @Answers(listDeliveriesResponse)
  async listDeliveries(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(listDeliveriesRequest) request: ListDeliveriesRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.webhooks.listDeliveries(principal, request);
    return { deliveries: records.map(viewDelivery), nextPageToken };
  }

  @Post('redeliver')
  @HttpCode(200)
  @ApiOperation({ summary: 'Send the event of a delivery again, as a new one.' })
  @Access(WRITES)
  @Answers(deliveryResponse)
  async redeliver(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(redeliverRequest) { deliveryId }: RedeliverRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.webhooks.redeliver(principal, deliveryId, idempotencyKey));
  }

  @Post('test')
  @HttpCode(200)
  @ApiOperation({ summary: 'Send `webhook.test` to an endpoint, whatever it chose.' })
  @Access(WRITES)
  @Answers(deliveryResponse)
  async test(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(endpointIdRequest) { endpointId }: EndpointIdRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.webhooks.test(principal, endpointId, idempotencyKey));
  }
}
