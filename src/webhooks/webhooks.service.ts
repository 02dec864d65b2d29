import { Injectable } from '@nestjs/common';
import { auditActor, type DashboardUserPrincipal, type SecretKeyPrincipal } from '../identity/index.js';
import { randomBase62, uuidV7 } from '../platform/crypto/index.js';
import { Revocations } from '../platform/database/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { Events, type AuditDetails } from '../platform/events/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import { PageTokens, newestFirst, type Page } from '../platform/http/index.js';
import { formatTimestamp } from '../platform/protojson/index.js';
import { IdempotencyKeys, type IdempotentAnswer, type IdempotentWork } from '../platform/idempotency/index.js';
import { TEST_EVENT } from './event-types.js';
import { WebhookSecrets } from './webhook-secrets.js';
import {
  graceSecondsOf,
  type CreateEndpointRequest,
  type ListDeliveriesRequest,
  type ListEndpointsRequest,
  type RotateSecretRequest,
  type UpdateEndpointRequest,
} from './webhooks.dto.js';
import {
  WebhooksRepository,
  type DeliveryRecord,
  type EndpointChanges,
  type EndpointRecord,
  type TenantWebhooks,
} from './webhooks.repository.js';
import { viewDelivery, viewEndpoint } from './webhooks.view.js';

/** Who may manage webhooks: the tenant's own people and servers. */
export type WebhookManager = DashboardUserPrincipal | SecretKeyPrincipal;

/** Bounds the cost of a tenant's call, since one event goes to all endpoints that chose it. */
const MAX_ENDPOINTS = 20;
/** How many older secrets sign a delivery at most, besides the newest. */
const MAX_OVERLAPPING_SECRETS = 3;

/** A tenant's webhook endpoints, and their deliveries. */
@Injectable()
export class WebhooksService {
  constructor(
    private readonly repository: WebhooksRepository,
    private readonly secrets: WebhookSecrets,
    private readonly outbound: OutboundHttp,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
    private readonly revocations: Revocations,
    private readonly events: Events,
  ) {}

  /** @throws Fault invalid_input: the URL is not allowed; conflict: there are too many */
  create(principal: WebhookManager, request: CreateEndpointRequest, key: string | null): Promise<IdempotentAnswer> {
    this.outbound.assertAllowedUrl(request.url, 'url');
    return this.once(principal, key, 'webhooks/create', request, async (webhooks) => {
      if ((await this.repository.countAlone(webhooks)) >= MAX_ENDPOINTS) {
        throw new Fault(
          'conflict',
          `A tenant has at most ${MAX_ENDPOINTS} webhook endpoints; delete one that you do not use.`,
        );
      }
      const id = `webhook_${randomBase62(20)}`;
      const made = this.secrets.make(webhooks.tenantId);
      await this.repository.create(webhooks, { ...request, id, createdBy: auditActor(principal).id });
      await this.repository.addSecret(webhooks, id, made);
      await this.publish(webhooks, principal, 'created', id, { events: request.events });
      const kept = { endpoint: viewEndpoint(await this.getIn(webhooks, id)) };
      return { body: { ...kept, secret: made.secret }, kept };
    });
  }

  /** @throws Fault invalid_input: a page token that is not ours, or another tenant's */
  list({ tenantId }: WebhookManager, request: ListEndpointsRequest): Promise<Page<EndpointRecord>> {
    return newestFirst(
      this.pageTokens,
      `webhooks/list:${tenantId}`,
      request,
      (record) => record,
      (after, take) => this.repository.read(tenantId, (webhooks) => this.repository.list(webhooks, after, take)),
    );
  }

  /** @throws Fault not_found */
  get({ tenantId }: WebhookManager, id: string): Promise<EndpointRecord> {
    return this.repository.read(tenantId, (webhooks) => this.getIn(webhooks, id));
  }

  /**
   * Changes the named fields. A new URL needs the current secret: it proves that the caller may have messages signed with it,
   * which the old receiver would trust.
   *
   * @throws Fault not_found, invalid_input
   */
  update(principal: WebhookManager, request: UpdateEndpointRequest): Promise<EndpointRecord> {
    const { endpointId: id, url, secret, description, events, enabled } = request;
    if (url !== undefined) this.outbound.assertAllowedUrl(url, 'url');
    return this.repository.change(principal.tenantId, async (webhooks) => {
      const before = (await this.repository.lock(webhooks, id)) ?? notFound();
      const moves = url !== undefined && url !== before.url;
      if (moves) await this.assertSecret(webhooks, id, secret);
      else if (secret !== undefined) throw invalidField('secret', 'is only needed when url changes');
      const changes: EndpointChanges = {
        ...(moves ? { url, failingSince: null } : {}),
        ...(description === undefined ? {} : { description }),
        ...(enabled === undefined ? {} : this.statusColumns(before, enabled)),
      };
      await this.repository.update(webhooks, id, changes);
      if (events !== undefined) await this.repository.choose(webhooks, id, events);
      const changed = [
        ...Object.keys(changes).filter((name) => !['disabledReason', 'disabledAt', 'failingSince'].includes(name)),
        ...(events === undefined ? [] : ['events']),
      ];
      if (changed.length > 0) await this.publish(webhooks, principal, 'updated', id, { changed, ...told(enabled) });
      return this.getIn(webhooks, id);
    });
  }

  /** Deletes the endpoint with its waiting deliveries. @throws Fault not_found */
  async delete(principal: WebhookManager, id: string): Promise<void> {
    await this.repository.change(principal.tenantId, async (webhooks) => {
      if (!(await this.repository.delete(webhooks, id))) notFound();
      await this.publish(webhooks, principal, 'deleted', id, {});
    });
  }

  /**
   * Gives an endpoint a new secret. Deliveries are signed with both until the grace is over; if the endpoint moves to another
   * URL, with the new one alone.
   *
   * @throws Fault not_found, invalid_input
   */
  rotateSecret(principal: WebhookManager, request: RotateSecretRequest, key: string | null): Promise<IdempotentAnswer> {
    const { endpointId: id, url } = request;
    const graceSeconds = graceSecondsOf(request);
    if (url !== undefined) {
      this.outbound.assertAllowedUrl(url, 'url');
      if (graceSeconds > 0) throw invalidField('gracePeriodSeconds', 'must be 0 when url is sent');
    }
    return this.once(principal, key, 'webhooks/rotate-secret', request, async (webhooks) => {
      if ((await this.repository.lock(webhooks, id)) === null) notFound();
      const made = this.secrets.make(webhooks.tenantId);
      const endsAt = await this.repository.retireSecret(webhooks, id, graceSeconds, MAX_OVERLAPPING_SECRETS);
      await this.repository.addSecret(webhooks, id, made);
      if (url !== undefined) await this.repository.update(webhooks, id, { url, failingSince: null });
      await this.publish(webhooks, principal, 'secret_rotated', id, {
        gracePeriodSeconds: graceSeconds,
        ...(url === undefined ? {} : { changed: ['url'] }),
      });
      const kept = {
        endpoint: viewEndpoint(await this.getIn(webhooks, id)),
        ...(endsAt === null ? {} : { previousSecretExpiresAt: formatTimestamp(endsAt) }),
      };
      return { body: { ...kept, secret: made.secret }, kept };
    });
  }

  /** @throws Fault not_found: the endpoint; invalid_input: a page token that is not of this tenant and these filters */
  listDeliveries(
    { tenantId }: WebhookManager,
    { endpointId, status, ...page }: ListDeliveriesRequest,
  ): Promise<Page<DeliveryRecord>> {
    const filter = { ...(endpointId === '' ? {} : { endpointId }), ...(status === undefined ? {} : { status }) };
    return newestFirst(
      this.pageTokens,
      `webhooks/list-deliveries:${tenantId}:${JSON.stringify(filter)}`,
      page,
      (record) => record,
      (after, take) =>
        this.repository.read(tenantId, async (webhooks) => {
          if (endpointId !== '') await this.getIn(webhooks, endpointId);
          return this.repository.listDeliveries(webhooks, filter, after, take);
        }),
    );
  }

  /** Sends the same event again, as a delivery of its own. @throws Fault not_found; conflict: the endpoint is disabled */
  redeliver(principal: WebhookManager, deliveryId: string, key: string | null): Promise<IdempotentAnswer> {
    return this.once(principal, key, 'webhooks/redeliver', { deliveryId }, async (webhooks) => {
      const before = UUID.test(deliveryId) ? await this.repository.findDelivery(webhooks, deliveryId) : null;
      if (before === null)
        throw new Fault('not_found', 'No delivery has this id. List them with /api/v1/webhooks/list-deliveries.');
      return this.deliver(webhooks, before.endpointId, before.eventId);
    });
  }

  /** Sends a test event, whichever events the endpoint chose. @throws Fault not_found; conflict: the endpoint is disabled */
  test(principal: WebhookManager, endpointId: string, key: string | null): Promise<IdempotentAnswer> {
    return this.once(principal, key, 'webhooks/test', { endpointId }, async (webhooks) => {
      const id = uuidV7();
      await this.repository.addEvent(webhooks, { id, type: TEST_EVENT, payload: { id, project: webhooks.tenantId } });
      return this.deliver(webhooks, endpointId, id);
    });
  }

  private async deliver(webhooks: TenantWebhooks, endpointId: string, eventId: string): Promise<IdempotentWork> {
    const { status } = (await this.repository.hold(webhooks, endpointId)) ?? notFound();
    if (status !== 'ENABLED')
      throw new Fault('conflict', 'The webhook endpoint is disabled. Enable it with /api/v1/webhooks/update.');
    const record = await this.repository.addDelivery(webhooks, { id: uuidV7(), endpointId, eventId });
    const body = { delivery: viewDelivery(record) };
    return { body, kept: body };
  }

  private async assertSecret(webhooks: TenantWebhooks, endpointId: string, presented: string | undefined) {
    const stored = await this.repository.currentSecret(webhooks, endpointId);
    if (presented === undefined) {
      throw invalidField(
        'secret',
        "is required when url changes: send the endpoint's current secret, or use /api/v1/webhooks/rotate-secret",
      );
    }
    if (!this.secrets.isSame(webhooks.tenantId, stored, presented)) {
      throw invalidField(
        'secret',
        "is not the endpoint's current secret; make a new one with /api/v1/webhooks/rotate-secret",
      );
    }
  }

  /** Changes nothing if the endpoint has this status already, so that the reason and time of its disabling are kept. */
  private statusColumns({ status }: EndpointRecord, enabled: boolean): EndpointChanges {
    if (enabled === (status === 'ENABLED')) return {};
    if (enabled) return { status: 'ENABLED', disabledReason: null, disabledAt: null, failingSince: null };
    const disabledAt = new Date(this.revocations.databaseNow());
    return { status: 'DISABLED', disabledReason: 'REQUESTED', disabledAt };
  }

  private async getIn(webhooks: TenantWebhooks, id: string): Promise<EndpointRecord> {
    return (await this.repository.find(webhooks, id)) ?? notFound();
  }

  private once(
    principal: WebhookManager,
    key: string | null,
    route: string,
    request: object,
    work: (webhooks: TenantWebhooks) => Promise<IdempotentWork>,
  ): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    const { type, id } = auditActor(principal);
    const idempotent = this.idempotency.request(`tenant:${tenantId}:${type}:${id}`, key, route, request);
    return this.repository.change(tenantId, (webhooks) =>
      this.idempotency.once(webhooks.tx, idempotent, tenantId, () => work(webhooks)),
    );
  }

  private publish<What extends 'created' | 'updated' | 'deleted' | 'secret_rotated'>(
    { tx, tenantId }: TenantWebhooks,
    principal: WebhookManager,
    what: What,
    id: string,
    details: AuditDetails<`webhook_endpoint.${What}`>,
  ): Promise<void> {
    return this.events.publish(tx, {
      action: `webhook_endpoint.${what}`,
      actor: auditActor(principal),
      tenantId,
      resource: { type: 'webhook_endpoint', id },
      details,
    });
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function told(enabled: boolean | undefined): object {
  return enabled === undefined ? {} : { enabled };
}

/** An unknown endpoint and another tenant's get the same words. */
function notFound(): never {
  throw new Fault('not_found', 'No webhook endpoint has this id. List them with /api/v1/webhooks/list.');
}
