import { Injectable } from '@nestjs/common';
import { uuidV7 } from '../platform/crypto/index.js';
import { Database, type TenantTransaction } from '../platform/database/index.js';
import type { DashboardClaims } from './claims-writer.js';

const TAKE = { name: 'take_claim_writes', text: 'SELECT id, user_id, attempts FROM take_claim_writes($1) ORDER BY id' };
const FIND = { name: 'find_claim_write', text: 'SELECT claims FROM find_claim_write($1)' };
const FINISH = { name: 'finish_claim_write', text: 'SELECT finish_claim_write($1)' };

/** A row of the outbox. */
export interface QueuedClaims {
  readonly id: string;
  readonly userId: string;
}

/** The outbox of claims, through functions of the database, since it concerns people in any tenant. */
@Injectable()
export class ClaimWritesRepository {
  constructor(private readonly database: Database) {}

  /** Queues a user's new claims, in the transaction that changed them; replaces what was queued earlier. */
  async queue(transaction: TenantTransaction, userId: string): Promise<QueuedClaims> {
    const id = uuidV7();
    await transaction.$queryRawUnsafe('SELECT tenant_id, role FROM queue_claims($1, $2::uuid)', userId, id);
    return { id, userId };
  }

  /** Hands out due writes; each comes back later unless it is finished by then. */
  async take(limit: number): Promise<(QueuedClaims & { readonly attempts: number })[]> {
    const rows = await this.database.callAside<{ id: string; user_id: string; attempts: number }>(TAKE, [limit]);
    return rows.map(({ id, user_id: userId, attempts }) => ({ id, userId, attempts }));
  }

  /** `claims` null: the user should have none. Null: a later row replaced this one, or it is finished. */
  async find(id: string): Promise<{ readonly claims: DashboardClaims | null } | null> {
    const [row] = await this.database.callAside<{ claims: DashboardClaims | null }>(FIND, [id]);
    return row ?? null;
  }

  async finish(id: string): Promise<void> {
    await this.database.callAside(FINISH, [id]);
  }
}
