import { Injectable } from '@nestjs/common';
import { Database, fittingRows, type Fitting, type TenantTransaction } from '../../platform/database/index.js';
import type { Cursor } from '../../platform/http/index.js';

export interface ContextRecord {
  readonly id: string;
  readonly createdAt: Date;
  readonly messages: number;
  /** Of all its messages, before they were encrypted. */
  readonly bytes: number;
}

export interface MessageRecord {
  readonly id: string;
  /** In the conversation, from 1. */
  readonly place: number;
  readonly content: Uint8Array;
  readonly createdAt: Date;
}

/** A message to keep. */
export interface SealedMessage {
  readonly id: string;
  readonly content: Buffer;
  /** Before it was encrypted. */
  readonly bytes: number;
}

/** A transaction that sees one tenant's contexts. */
export interface TenantContexts {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
}

const CONTEXT = 'id, created_at AS "createdAt", messages, bytes::float8 AS bytes';
const MESSAGE = 'm.id, m.place, m.content, m.created_at AS "createdAt"';
const MESSAGES = `SELECT ${MESSAGE} FROM llm_context_messages m WHERE m.tenant_id = $1 AND m.context_id = $2::uuid`;
const NEXT_MESSAGES = fittingRows(
  `${MESSAGES} AND m.place > $3::integer ORDER BY m.place LIMIT $4::integer`,
  'content',
  'r.place',
);

/**
 * Contexts and their messages. Each method names the tenant and the owner, and Postgres' policies hold where one forgets the
 * tenant. An owner is as the database names it: `tenant`, `user:<id>` or `human:<id>`.
 */
@Injectable()
export class ContextsRepository {
  constructor(private readonly database: Database) {}

  read<T>(tenantId: string, work: (contexts: TenantContexts) => Promise<T>): Promise<T> {
    return this.database.withTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** For what writes: the tenant stays until it is done. */
  change<T>(tenantId: string, work: (contexts: TenantContexts) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** Null: the human is not known yet. */
  async findHumanId({ tx, tenantId }: TenantContexts, human: string): Promise<string | null> {
    const [found] = await tx.$queryRawUnsafe<{ id: string }[]>(
      'SELECT id FROM humans WHERE tenant_id = $1 AND human = $2',
      tenantId,
      human,
    );
    return found?.id ?? null;
  }

  async find({ tx, tenantId }: TenantContexts, owner: string, id: string): Promise<ContextRecord | null> {
    const [found] = await tx.$queryRawUnsafe<ContextRecord[]>(
      `SELECT ${CONTEXT} FROM llm_contexts WHERE tenant_id = $1 AND id = $2::uuid AND owner = $3`,
      tenantId,
      id,
      owner,
    );
    return found ?? null;
  }

  list({ tx, tenantId }: TenantContexts, owner: string, after: Cursor | null, take: number): Promise<ContextRecord[]> {
    return tx.$queryRawUnsafe<ContextRecord[]>(
      `SELECT ${CONTEXT} FROM llm_contexts
       WHERE tenant_id = $1 AND owner = $2 AND (created_at, id) < ($3::timestamptz, $4::uuid)
       ORDER BY created_at DESC, id DESC LIMIT $5::integer`,
      tenantId,
      owner,
      after?.createdAt.toISOString() ?? 'infinity',
      after?.id ?? 'ffffffff-ffff-ffff-ffff-ffffffffffff',
      take,
    );
  }

  async count({ tx, tenantId }: TenantContexts, owner: string): Promise<number> {
    const [row] = await tx.$queryRawUnsafe<{ count: number }[]>(
      'SELECT count(*)::integer AS count FROM llm_contexts WHERE tenant_id = $1 AND owner = $2',
      tenantId,
      owner,
    );
    return row?.count ?? 0;
  }

  async create({ tx, tenantId }: TenantContexts, owner: string, id: string): Promise<void> {
    await tx.$executeRawUnsafe(
      'INSERT INTO llm_contexts (id, tenant_id, owner) VALUES ($1::uuid, $2, $3)',
      id,
      tenantId,
      owner,
    );
  }

  /**
   * Puts messages at the end of a context. It locks the context's row until the transaction ends, so that two appends follow
   * each other.
   * @returns the context with them; null: no such context
   */
  async append(
    { tx, tenantId }: TenantContexts,
    owner: string,
    contextId: string,
    messages: readonly SealedMessage[],
  ): Promise<ContextRecord | null> {
    const [context] = await tx.$queryRawUnsafe<ContextRecord[]>(
      `UPDATE llm_contexts SET messages = messages + $4::integer, bytes = bytes + $5::bigint
       WHERE tenant_id = $1 AND id = $2::uuid AND owner = $3 RETURNING ${CONTEXT}`,
      tenantId,
      contextId,
      owner,
      messages.length,
      messages.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    if (context === undefined) return null;
    if (messages.length === 0) return context;
    await tx.$executeRawUnsafe(
      `INSERT INTO llm_context_messages (id, tenant_id, context_id, place, content)
       SELECT m.id, $1, $2::uuid, $3::integer + m.ordinality, decode(m.content, 'base64')
       FROM unnest($4::uuid[], $5::text[]) WITH ORDINALITY AS m (id, content)`,
      tenantId,
      contextId,
      context.messages - messages.length,
      messages.map(({ id }) => id),
      messages.map(({ content }) => content.toString('base64')),
    );
    return context;
  }

  async findMessage(
    { tx, tenantId }: TenantContexts,
    owner: string,
    contextId: string,
    id: string,
  ): Promise<MessageRecord | null> {
    const [found] = await tx.$queryRawUnsafe<MessageRecord[]>(
      `SELECT ${MESSAGE} FROM llm_context_messages m
       JOIN llm_contexts c ON c.tenant_id = m.tenant_id AND c.id = m.context_id
       WHERE m.tenant_id = $1 AND m.id = $2::uuid AND m.context_id = $3::uuid AND c.owner = $4`,
      tenantId,
      id,
      contextId,
      owner,
    );
    return found ?? null;
  }

  /** In the order of the conversation, of a context that `find` gave. */
  listMessages({ tx, tenantId }: TenantContexts, contextId: string): Promise<MessageRecord[]> {
    return tx.$queryRawUnsafe<MessageRecord[]>(`${MESSAGES} ORDER BY m.place`, tenantId, contextId);
  }

  /** The first messages that stand after `afterPlace`, as many as fit into a page. */
  listPage(
    { tx, tenantId }: TenantContexts,
    contextId: string,
    afterPlace: number,
    most: number,
  ): Promise<(MessageRecord & Fitting)[]> {
    return tx.$queryRawUnsafe<(MessageRecord & Fitting)[]>(NEXT_MESSAGES, tenantId, contextId, afterPlace, most);
  }
}
