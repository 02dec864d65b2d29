/** Endpoints of a tenant's owner, and the events that they receive. */
import { randomUUID } from 'node:crypto';
import type { Settings } from '../../../src/platform/config/index.js';
import { eventually } from '../../support/eventually.js';
import { startService, type Answer, type Org, type ServiceClient, type TestService } from '../../support/service.js';
import { WebhookReceiver } from '../../support/webhook-receiver.js';

export interface EndpointView {
  readonly endpointId: string;
  readonly url: string;
  readonly description: string;
  readonly events: readonly string[];
  readonly status: string;
  readonly disabledReason?: string;
  readonly disabledAt?: string;
  readonly failingSince?: string;
}
export interface MadeEndpoint {
  readonly endpoint: EndpointView;
  readonly secret: string;
}
export interface DeliveryView {
  readonly deliveryId: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly status: string;
  readonly attempts: number;
  readonly lastStatusCode?: number;
  readonly lastError?: string;
  readonly attemptLog: readonly { readonly attempt: number; readonly statusCode?: number; readonly error?: string }[];
  readonly nextAttemptAt?: string;
  readonly endedAt?: string;
}

/** Settings that turn days into fractions of a second. */
export const QUICK = {
  webhookPollMs: 25,
  webhookRetryMs: 50,
  webhookTimeoutMs: 1000,
  webhookAttempts: 8,
} as const satisfies Partial<Settings>;

export const QUICK_ENVIRONMENT = {
  GATEHOUSE_WEBHOOK_POLL_MS: '25',
  GATEHOUSE_WEBHOOK_RETRY_MS: '50',
  GATEHOUSE_WEBHOOK_TIMEOUT_MS: '1000',
  GATEHOUSE_WEBHOOK_ATTEMPTS: '8',
} as const;

/** A service and a receiver of its webhooks; each test has an org of its own. */
export class ReceiverStage {
  private tests = 0;

  private constructor(
    readonly receiver: WebhookReceiver,
    readonly service: TestService,
  ) {}

  static async start(): Promise<ReceiverStage> {
    const receiver = await WebhookReceiver.start();
    return new ReceiverStage(receiver, await startService({ settings: { ...receiver.settings, ...QUICK } }));
  }

  begin(): Promise<Org> {
    this.receiver.received.length = 0;
    this.receiver.reactions.clear();
    return this.service.createOrg(`founder-${(this.tests += 1)}`);
  }

  async stop(): Promise<void> {
    await this.service.stop();
    await this.receiver.stop();
  }
}

/** POSTs as the owner, and returns any answer. */
export function ask(
  service: ServiceClient,
  { user, tenantId }: Org,
  method: string,
  body: object = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const authorization = `Bearer ${service.dashboardToken({ user, tenant: tenantId })}`;
  return service.call('POST', `/api/v1/webhooks/${method}`, { headers: { ...headers, authorization }, body });
}

export function call<T>(
  service: ServiceClient,
  { user, tenantId }: Org,
  method: string,
  body: object = {},
): Promise<T> {
  return service.asUser<T>({ user, tenant: tenantId }, `webhooks/${method}`, body);
}

export function create(
  service: ServiceClient,
  org: Org,
  url: string,
  events: readonly string[] = ['usage.tracked'],
): Promise<MadeEndpoint> {
  return call<MadeEndpoint>(service, org, 'create', { url, events });
}

export const endpointOf = async (service: ServiceClient, org: Org, endpointId: string): Promise<EndpointView> =>
  (await call<{ endpoint: EndpointView }>(service, org, 'get', { endpointId })).endpoint;

/** The deliveries of the tenant or of one endpoint, newest first. */
export const deliveriesOf = async (
  service: ServiceClient,
  org: Org,
  filter: { readonly endpointId?: string; readonly status?: string } = {},
): Promise<readonly DeliveryView[]> =>
  (await call<{ deliveries: DeliveryView[] }>(service, org, 'list-deliveries', { ...filter, pageSize: 500 }))
    .deliveries;

/** The deliveries once none is open; shortens waiting times that are longer than any claim. */
export async function settledDeliveries(
  service: ServiceClient,
  org: Org,
  filter: { readonly endpointId?: string } = {},
): Promise<readonly DeliveryView[]> {
  await eventually(async () => {
    await service.sql(
      `UPDATE webhook_deliveries SET next_attempt_at = now()
       WHERE tenant_id = $1 AND next_attempt_at > now() + make_interval(secs => $2)`,
      [org.tenantId, (3 * QUICK.webhookTimeoutMs) / 1000],
    );
    return (await deliveriesOf(service, org, { ...filter, status: 'PENDING' })).length === 0;
  });
  return deliveriesOf(service, org, filter);
}

/** Creates events in the way that the functions of usage do. */
export async function happen(
  service: ServiceClient,
  { tenantId }: Org,
  {
    type = 'usage.tracked',
    humanId = null,
    count = 1,
  }: { type?: string; humanId?: string | null; count?: number } = {},
): Promise<void> {
  await service.sql(
    `SELECT enqueue_webhook_event($1, $2, $3, jsonb_build_object('type', 'token_cnt', 'value', n))
     FROM generate_series(1, $4::int) AS n`,
    [tenantId, type, humanId, count],
  );
}

/** Adds a human, and returns the id that events use. */
export async function addHuman(service: ServiceClient, { tenantId }: Org, human: string): Promise<string> {
  const id = `hum_${randomUUID().replaceAll('-', '')}`;
  await service.sql('INSERT INTO humans (tenant_id, human, id) VALUES ($1, $2, $3)', [tenantId, human, id]);
  return id;
}
