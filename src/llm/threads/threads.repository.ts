import { Injectable } from '@nestjs/common';
import { Database, type TenantTransaction } from '../../platform/database/index.js';
import type { Cursor } from '../../platform/http/index.js';
import type { StoredOwner } from '../access/stored-owner.js';

type InterruptPolicy = 'REJECT' | 'QUEUE' | 'INTERRUPT';

export interface ThreadRow {
  readonly id: string;
  readonly conversationKey: string;
  readonly name: string;
  readonly model: string | null;
  readonly temperature: number | null;
  readonly maxTokens: number | null;
  readonly interruptPolicy: InterruptPolicy;
  readonly setup: Uint8Array | null;
  readonly leftOut: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export type ThreadChanges = Pick<
  ThreadRow,
  'name' | 'model' | 'temperature' | 'maxTokens' | 'interruptPolicy' | 'setup'
>;

/** A transaction that sees one tenant's threads, and whose of them are meant. */
interface OwnThreads {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
  readonly owner: StoredOwner;
}

const COLUMNS = `t.id, t.conversation_key AS "conversationKey", t.name, t.model, t.temperature, t.max_tokens AS "maxTokens",
  t.interrupt_policy AS "interruptPolicy", t.setup, t.left_out AS "leftOut", t.created_at AS "createdAt",
  t.updated_at AS "updatedAt"`;

/** Threads of one owner. Each method names tenant and owner, and Postgres' policies hold where one forgets the tenant. */
@Injectable()
export class ThreadsRepository {
  constructor(private readonly database: Database) {}

  read<T>(tenantId: string, owner: StoredOwner, work: (threads: OwnThreads) => Promise<T>): Promise<T> {
    return this.database.withTenant(tenantId, (tx) => work({ tx, tenantId, owner }));
  }

  /** For what writes: the tenant stays until it is done. */
  change<T>(tenantId: string, owner: StoredOwner, work: (threads: OwnThreads) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, (tx) => work({ tx, tenantId, owner }));
  }

  /** A new human is created with it. Null: a thread of that key exists. */
  async create(
    { tx, tenantId, owner }: OwnThreads,
    id: string,
    conversationKey: string,
    keyId: string | null,
    changes: ThreadChanges,
  ): Promise<ThreadRow | null> {
    const [created] = await tx.$queryRawUnsafe<ThreadRow[]>(
      `INSERT INTO threads AS t (id, tenant_id, owner, conversation_key, name, model, temperature, max_tokens, interrupt_policy, setup)
       VALUES ($1::uuid, $2, coalesce($3, 'human:' || ensure_human($4, $5)), $6, $7, $8, $9, $10, $11, $12)
       ON CONFLICT (tenant_id, owner, conversation_key) DO NOTHING RETURNING ${COLUMNS}`,
      id,
      tenantId,
      owner.owner,
      owner.human,
      keyId,
      conversationKey,
      ...valuesOf(changes),
    );
    return created ?? null;
  }

  async find({ tx, tenantId, owner }: OwnThreads, conversationKey: string): Promise<ThreadRow | null> {
    const [found] = await tx.$queryRawUnsafe<ThreadRow[]>(
      `SELECT ${COLUMNS} FROM threads t
       WHERE t.tenant_id = $1 AND t.owner = thread_owner($2, $3) AND t.conversation_key = $4`,
      tenantId,
      owner.owner,
      owner.human,
      conversationKey,
    );
    return found ?? null;
  }

  list({ tx, tenantId, owner }: OwnThreads, search: string, after: Cursor | null, take: number): Promise<ThreadRow[]> {
    return tx.$queryRawUnsafe<ThreadRow[]>(
      `SELECT ${COLUMNS} FROM threads t
       WHERE t.tenant_id = $1 AND t.owner = thread_owner($2, $3) AND (t.created_at, t.id) < ($4::timestamptz, $5::uuid)
         AND t.run_count >= 0
         AND ($6 = '' OR position(lower($6) IN lower(t.name)) > 0 OR position(lower($6) IN lower(t.conversation_key)) > 0)
       ORDER BY t.created_at DESC, t.id DESC LIMIT $7::integer`,
      tenantId,
      owner.owner,
      owner.human,
      after?.createdAt.toISOString() ?? 'infinity',
      after?.id ?? '00000000-0000-0000-0000-000000000000',
      search,
      take,
    );
  }

  /** Null: it is not there any more. */
  async update({ tx, tenantId }: OwnThreads, id: string, changes: ThreadChanges): Promise<ThreadRow | null> {
    const [updated] = await tx.$queryRawUnsafe<ThreadRow[]>(
      `UPDATE threads AS t SET name = $3, model = $4, temperature = $5, max_tokens = $6, interrupt_policy = $7, setup = $8,
                               updated_at = clock_timestamp()
       WHERE t.tenant_id = $1 AND t.id = $2::uuid RETURNING ${COLUMNS}`,
      tenantId,
      id,
      ...valuesOf(changes),
    );
    return updated ?? null;
  }

  /** With its runs and all that was said. */
  async delete({ tx, tenantId }: OwnThreads, id: string): Promise<void> {
    await tx.$executeRawUnsafe('DELETE FROM threads WHERE tenant_id = $1 AND id = $2::uuid', tenantId, id);
  }
}

function valuesOf({ name, model, temperature, maxTokens, interruptPolicy, setup }: ThreadChanges): unknown[] {
  return [name, model, temperature, maxTokens, interruptPolicy, setup === null ? null : new Uint8Array(setup)];
}
