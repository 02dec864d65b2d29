import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal } from '../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../platform/http/index.js';
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

/** A tenant's webhooks. Humans can't call these routes: they have no say in where the tenant's events go. */
@ApiTags('Webhooks')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/webhooks')
export class WebhooksController {
  constructor(private readonly webhooks: WebhooksService) {}

  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Create a webhook endpoint; the secret is shown only in this answer.' })
  @Access(WRITES)
  @Answers(createEndpointResponse)
  @Refuses('conflict')
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
  @Refuses('not_found')
  async get(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(endpointIdRequest) { endpointId }: EndpointIdRequest,
  ): Promise<object> {
    return { endpoint: viewEndpoint(await this.webhooks.get(principal, endpointId)) };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Change the fields that are sent; the others stay.',
    description: 'To change `url`, send the current `secret`, or use `rotate-secret`.',
  })
  @Access(WRITES)
  @Answers(endpointResponse)
  @Refuses('not_found')
  async update(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(updateEndpointRequest) request: UpdateEndpointRequest,
  ): Promise<object> {
    return { endpoint: viewEndpoint(await this.webhooks.update(principal, request)) };
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({ summary: 'Delete an endpoint with its deliveries.' })
  @Access(WRITES)
  @Answers(deleteEndpointResponse)
  @Refuses('not_found')
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
    summary: 'Give an endpoint a new secret; it is shown only in this answer.',
    description: 'Deliveries are also signed with the old secret until `gracePeriodSeconds` have passed.',
  })
  @Access(WRITES)
  @Answers(rotateSecretResponse)
  @Refuses('not_found')
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
  @ApiOperation({ summary: 'Deliveries, newest first; filter by endpoint and status.' })
  @Access(READS)
  @Answers(listDeliveriesResponse)
  @Refuses('not_found')
  async listDeliveries(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(listDeliveriesRequest) request: ListDeliveriesRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.webhooks.listDeliveries(principal, request);
    return { deliveries: records.map(viewDelivery), nextPageToken };
  }

  @Post('redeliver')
  @HttpCode(200)
  @ApiOperation({ summary: 'Send the event of a delivery again, as a new delivery.' })
  @Access(WRITES)
  @Answers(deliveryResponse)
  @Refuses('not_found', 'conflict')
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
  @ApiOperation({ summary: 'Send the event `webhook.test` to an endpoint.' })
  @Access(WRITES)
  @Answers(deliveryResponse)
  @Refuses('not_found', 'conflict')
  async test(
    @CurrentPrincipal(KINDS) principal: WebhookManager,
    @PlatformBody(endpointIdRequest) { endpointId }: EndpointIdRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.webhooks.test(principal, endpointId, idempotencyKey));
  }
}
