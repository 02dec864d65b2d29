import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type TenantTransaction } from '../platform/database/index.js';
import { olderThan, type Cursor } from '../platform/http/index.js';
import type { NewSecret, StoredSecret } from './webhook-secrets.js';

const ENDPOINT = {
  id: true,
  url: true,
  description: true,
  status: true,
  disabledReason: true,
  disabledAt: true,
  failingSince: true,
  createdAt: true,
  updatedAt: true,
  subscriptions: { select: { type: true } },
} as const satisfies Prisma.WebhookEndpointSelect;
export type EndpointRecord = Prisma.WebhookEndpointGetPayload<{ select: typeof ENDPOINT }>;

const DELIVERY = {
  id: true,
  endpointId: true,
  eventId: true,
  status: true,
  attempts: true,
  nextAttemptAt: true,
  lastAttemptAt: true,
  lastStatusCode: true,
  lastError: true,
  attemptLog: true,
  endedAt: true,
  createdAt: true,
  event: { select: { type: true } },
} as const satisfies Prisma.WebhookDeliverySelect;
export type DeliveryRecord = Prisma.WebhookDeliveryGetPayload<{ select: typeof DELIVERY }>;

export interface NewEndpoint {
  readonly id: string;
  readonly url: string;
  readonly description: string;
  readonly events: readonly string[];
  readonly createdBy: string;
}

export type EndpointChanges = Partial<
  Pick<EndpointRecord, 'url' | 'description' | 'status' | 'disabledReason' | 'disabledAt' | 'failingSince'>
>;

export interface DeliveryFilter {
  readonly endpointId?: string;
  readonly status?: string;
}

/** A transaction that sees one tenant's webhooks. */
export interface TenantWebhooks {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
}

/** Webhooks of one tenant. Each method names the tenant; Postgres' policies protect against one that forgets. */
@Injectable()
export class WebhooksRepository {
  constructor(private readonly database: Database) {}

  read<T>(tenantId: string, work: (webhooks: TenantWebhooks) => Promise<T>): Promise<T> {
    return this.database.withTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** For writes: holds the tenant against deletion until the transaction ends. */
  change<T>(tenantId: string, work: (webhooks: TenantWebhooks) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /**
   * How many endpoints the tenant has. Holds a lock until this transaction ends, so that no parallel
   * request passes the maximum.
   */
  async countAlone({ tx, tenantId }: TenantWebhooks): Promise<number> {
    await tx.$executeRawUnsafe('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', `webhooks:${tenantId}`);
    return tx.webhookEndpoint.count({ where: { tenantId } });
  }

  async create({ tx, tenantId }: TenantWebhooks, { events, ...columns }: NewEndpoint): Promise<void> {
    await tx.webhookEndpoint.create({ data: { ...columns, tenantId } });
    await this.subscribe({ tx, tenantId }, columns.id, events);
  }

  find({ tx, tenantId }: TenantWebhooks, id: string): Promise<EndpointRecord | null> {
    return tx.webhookEndpoint.findFirst({ where: { tenantId, id }, select: ENDPOINT });
  }

  /** Locks the row until the transaction ends. Null: no such endpoint. */
  async lock({ tx, tenantId }: TenantWebhooks, id: string): Promise<EndpointRecord | null> {
    await tx.webhookEndpoint.updateMany({ where: { tenantId, id }, data: { updatedAt: new Date() } });
    return this.find({ tx, tenantId }, id);
  }

  /** Protects the endpoint from deletion until this transaction ends; others can hold it as well. Null: no such endpoint. */
  async hold({ tx, tenantId }: TenantWebhooks, id: string): Promise<EndpointRecord | null> {
    await tx.$executeRawUnsafe(
      'SELECT 1 FROM webhook_endpoints WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE',
      tenantId,
      id,
    );
    return this.find({ tx, tenantId }, id);
  }

  list({ tx, tenantId }: TenantWebhooks, after: Cursor | null, take: number): Promise<EndpointRecord[]> {
    const where: Prisma.WebhookEndpointWhereInput = { tenantId, ...olderThan(after) };
    return tx.webhookEndpoint.findMany({ where, orderBy: NEWEST_FIRST, take, select: ENDPOINT });
  }

  async update({ tx, tenantId }: TenantWebhooks, id: string, changes: EndpointChanges): Promise<void> {
    await tx.webhookEndpoint.updateMany({ where: { tenantId, id }, data: changes });
  }

  async choose({ tx, tenantId }: TenantWebhooks, endpointId: string, events: readonly string[]): Promise<void> {
    await tx.webhookSubscription.deleteMany({ where: { tenantId, endpointId } });
    await this.subscribe({ tx, tenantId }, endpointId, events);
  }

  /** Deletes the endpoint with its secrets and deliveries; false: no such endpoint. */
  async delete({ tx, tenantId }: TenantWebhooks, id: string): Promise<boolean> {
    const { count } = await tx.webhookEndpoint.deleteMany({ where: { tenantId, id } });
    return count > 0;
  }

  /** The newest secret of an existing endpoint, to sign with. */
  currentSecret({ tx, tenantId }: TenantWebhooks, endpointId: string): Promise<StoredSecret> {
    return tx.webhookSecret.findFirstOrThrow({
      where: { tenantId, endpointId, expiresAt: null },
      select: { id: true, envelope: true },
    });
  }

  async addSecret({ tx, tenantId }: TenantWebhooks, endpointId: string, made: NewSecret): Promise<void> {
    const { id, envelope, keyVersion } = made;
    const data = { id, tenantId, endpointId, envelope: new Uint8Array(envelope), keyVersion };
    // `create` would also read the row back.
    await tx.webhookSecret.createMany({ data: [data] });
  }

  /**
   * Ends the current secret of an endpoint that this transaction has locked.
   *
   * @param keep how many of the older secrets stay valid at most: the latest ones
   * @returns when the secret ends, by the database's clock; null: at once
   */
  async retireSecret(
    { tx, tenantId }: TenantWebhooks,
    endpointId: string,
    graceSeconds: number,
    keep: number,
  ): Promise<Date | null> {
    if (graceSeconds === 0) {
      await tx.webhookSecret.deleteMany({ where: { tenantId, endpointId } });
      return null;
    }
    const [row] = await tx.$queryRawUnsafe<{ at: Date }[]>(
      'SELECT clock_timestamp() + make_interval(secs => $1) AS at',
      graceSeconds,
    );
    if (row === undefined) throw new TypeError('The database told no time.');
    await tx.webhookSecret.updateMany({
      where: { tenantId, endpointId, expiresAt: null },
      data: { expiresAt: row.at },
    });
    const all = await tx.webhookSecret.findMany({
      where: { tenantId, endpointId },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      select: { id: true },
    });
    const gone = all.slice(keep).map(({ id }) => id);
    await tx.webhookSecret.deleteMany({ where: { tenantId, endpointId, id: { in: gone } } });
    return row.at;
  }

  listDeliveries(
    { tx, tenantId }: TenantWebhooks,
    filter: DeliveryFilter,
    after: Cursor | null,
    take: number,
  ): Promise<DeliveryRecord[]> {
    const where: Prisma.WebhookDeliveryWhereInput = { tenantId, ...filter, ...olderThan(after) };
    return tx.webhookDelivery.findMany({ where, orderBy: NEWEST_FIRST, take, select: DELIVERY });
  }

  findDelivery({ tx, tenantId }: TenantWebhooks, id: string): Promise<DeliveryRecord | null> {
    return tx.webhookDelivery.findFirst({ where: { tenantId, id }, select: DELIVERY });
  }

  async addEvent(
    { tx, tenantId }: TenantWebhooks,
    event: { readonly id: string; readonly type: string; readonly payload: Prisma.InputJsonObject },
  ): Promise<void> {
    await tx.webhookEvent.createMany({ data: [{ ...event, tenantId }] });
  }

  addDelivery(
    { tx, tenantId }: TenantWebhooks,
    delivery: { readonly id: string; readonly endpointId: string; readonly eventId: string },
  ): Promise<DeliveryRecord> {
    return tx.webhookDelivery.create({ data: { ...delivery, tenantId }, select: DELIVERY });
  }

  private async subscribe({ tx, tenantId }: TenantWebhooks, endpointId: string, events: readonly string[]) {
    await tx.webhookSubscription.createMany({ data: events.map((type) => ({ tenantId, endpointId, type })) });
  }
}

const NEWEST_FIRST = [{ createdAt: 'desc' as const }, { id: 'desc' as const }];
