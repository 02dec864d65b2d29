import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/index.js';
import type { ClaimedDelivery, DeliveryError } from './delivery.types.js';
import type { StoredSecret } from './webhook-secrets.js';

const CLAIM = {
  name: 'claim_webhook_deliveries',
  text: 'SELECT * FROM claim_webhook_deliveries($1, $2, $3, $4, make_interval(secs => $5))',
};
const FINISH = {
  name: 'finish_webhook_delivery',
  text: 'SELECT * FROM finish_webhook_delivery($1, $2, $3, $4, make_interval(secs => $5), make_interval(secs => $6))',
};
const PRUNE = {
  name: 'prune_webhook_events',
  text: 'SELECT prune_webhook_events(make_interval(secs => $1), $2) AS pruned',
};
const FIND_TO_REWRAP = {
  name: 'find_webhook_secrets_to_rewrap',
  text: 'SELECT * FROM find_webhook_secrets_to_rewrap($1, $2, $3)',
};
const REWRAP = { name: 'rewrap_webhook_secret', text: 'SELECT rewrap_webhook_secret($1, $2, $3, $4)' };

export interface ClaimOptions {
  readonly limit: number;
  /** The endpoint of each delivery under way in this process. */
  readonly busy: readonly string[];
  readonly perEndpoint: number;
  /** The endpoint that was served last; empty: no endpoint yet. */
  readonly after: string;
  readonly termMs: number;
}

export interface AttemptResult {
  readonly statusCode: number | null;
  /** Null: delivered. */
  readonly error: DeliveryError | null;
  /** Null: no further attempt. */
  readonly retryInMs: number | null;
  readonly deadAfterSeconds: number;
}

export interface DisabledEndpoint {
  readonly endpointId: string;
  readonly tenantId: string;
  readonly reason: string;
}

/** The queue of deliveries of all tenants, through functions of the database. */
@Injectable()
export class DeliveryQueueRepository {
  constructor(private readonly database: Database) {}

  async claim({ limit, busy, perEndpoint, after, termMs }: ClaimOptions): Promise<ClaimedDelivery[]> {
    const rows = await this.database.callAside<ClaimRow>(CLAIM, [limit, busy, perEndpoint, after, termMs / 1000]);
    return rows.map((row) => ({
      id: row.id,
      tenantId: row.tenant_id,
      endpointId: row.endpoint_id,
      url: row.url,
      eventId: row.event_id,
      type: row.type,
      payload: row.payload,
      attempt: row.attempt,
      secrets: row.secret_ids.map((id, index) => ({ id, envelope: row.envelopes[index] as Buffer })),
    }));
  }

  /** @returns the endpoint, if this attempt disabled it */
  async finish({ id, attempt }: ClaimedDelivery, result: AttemptResult): Promise<DisabledEndpoint | null> {
    const { statusCode, error, retryInMs, deadAfterSeconds } = result;
    const retryInSeconds = retryInMs === null ? null : retryInMs / 1000;
    const [row] = await this.database.callAside<FinishRow>(FINISH, [
      id,
      attempt,
      statusCode,
      error,
      retryInSeconds,
      deadAfterSeconds,
    ]);
    if (row === undefined) return null;
    return { endpointId: row.endpoint_id, tenantId: row.tenant_id, reason: row.disabled_reason };
  }

  /** @returns how many events were deleted; `limit`: there may be more */
  async prune(keepSeconds: number, limit: number): Promise<number> {
    const [row] = await this.database.callAside<{ pruned: number }>(PRUNE, [keepSeconds, limit]);
    return row?.pruned ?? 0;
  }

  async findToRewrap(
    keyVersion: number,
    after: string,
    limit: number,
  ): Promise<(StoredSecret & { readonly tenantId: string })[]> {
    const rows = await this.database.callAside<{ id: string; tenant_id: string; envelope: Buffer }>(FIND_TO_REWRAP, [
      keyVersion,
      after,
      limit,
    ]);
    return rows.map(({ id, tenant_id: tenantId, envelope }) => ({ id, tenantId, envelope }));
  }

  async rewrap({ id, envelope }: StoredSecret, rewrapped: Uint8Array, keyVersion: number): Promise<void> {
    await this.database.callAside(REWRAP, [id, envelope, rewrapped, keyVersion]);
  }
}

interface ClaimRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly endpoint_id: string;
  readonly url: string;
  readonly event_id: string;
  readonly type: string;
  readonly payload: string;
  readonly attempt: number;
  readonly secret_ids: readonly string[];
  readonly envelopes: readonly Buffer[];
}

interface FinishRow {
  readonly endpoint_id: string;
  readonly tenant_id: string;
  readonly disabled_reason: string;
}
