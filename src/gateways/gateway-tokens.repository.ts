import { Injectable } from '@nestjs/common';
import { literally } from '../platform/database/index.js';
import type { PepperedHash } from '../platform/crypto/index.js';
import type { Prisma } from '../platform/database/index.js';
import { olderThan, type Cursor } from '../platform/http/index.js';
import { whyNotStorable } from '../platform/protojson/index.js';
import type { TenantGateways } from './gateways.repository.js';

/** A token's record; its hash stays in the database. */
const TOKEN = {
  id: true,
  name: true,
  expiresAt: true,
  lastUsedAt: true,
  createdAt: true,
} as const satisfies Prisma.GatewayTokenSelect;
export type TokenRecord = Prisma.GatewayTokenGetPayload<{ select: typeof TOKEN }>;

export interface NewToken {
  readonly id: string;
  readonly name: string;
  readonly expiresAt: Date | null;
  readonly hash: PepperedHash;
  readonly createdBy: string;
}

/** Tokens of one tenant's gateways, within a transaction of the gateways' repository. */
@Injectable()
export class GatewayTokensRepository {
  /** How many a gateway has; until this transaction ends no other one counts or renames them. */
  async countAlone({ tx, tenantId }: TenantGateways, gatewayId: string): Promise<number> {
    await tx.$executeRawUnsafe('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', `gateway_tokens:${gatewayId}`);
    return tx.gatewayToken.count({ where: { tenantId, gatewayId } });
  }

  /** Whether a token that is not over at this time has the name. */
  async isNamed({ tx, tenantId }: TenantGateways, gatewayId: string, name: string, now: Date): Promise<boolean> {
    const live = { OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] };
    return (await tx.gatewayToken.count({ where: { tenantId, gatewayId, name, ...live } })) > 0;
  }

  async create({ tx, tenantId }: TenantGateways, gatewayId: string, { hash, ...columns }: NewToken): Promise<void> {
    await tx.gatewayToken.createMany({
      data: [{ ...columns, tenantId, gatewayId, hash: new Uint8Array(hash.hash), pepperVersion: hash.version }],
    });
  }

  async find({ tx, tenantId }: TenantGateways, gatewayId: string, id: string): Promise<TokenRecord | null> {
    // An id of a path may hold what Postgres takes for no text.
    if (whyNotStorable(id) !== null) return null;
    return tx.gatewayToken.findFirst({ where: { tenantId, gatewayId, id }, select: TOKEN });
  }

  list(
    { tx, tenantId }: TenantGateways,
    gatewayId: string,
    search: string,
    after: Cursor | null,
    take: number,
  ): Promise<TokenRecord[]> {
    return tx.gatewayToken.findMany({
      where: {
        tenantId,
        gatewayId,
        ...(search === '' ? {} : { name: { contains: literally(search), mode: 'insensitive' } }),
        ...olderThan(after),
      },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      take,
      select: TOKEN,
    });
  }

  /** By id. */
  async namesOf({ tx, tenantId }: TenantGateways, gatewayId: string): Promise<ReadonlyMap<string, string>> {
    const tokens = await tx.gatewayToken.findMany({ where: { tenantId, gatewayId }, select: { id: true, name: true } });
    return new Map(tokens.map(({ id, name }) => [id, name]));
  }

  async idsOf({ tx, tenantId }: TenantGateways, gatewayId: string): Promise<string[]> {
    return (await tx.gatewayToken.findMany({ where: { tenantId, gatewayId }, select: { id: true } })).map(
      ({ id }) => id,
    );
  }

  async update(
    { tx, tenantId }: TenantGateways,
    gatewayId: string,
    id: string,
    changes: { readonly name?: string; readonly expiresAt?: Date | null },
  ): Promise<void> {
    await tx.gatewayToken.updateMany({ where: { tenantId, gatewayId, id }, data: changes });
  }

  /** For good. False: no such token. */
  async delete({ tx, tenantId }: TenantGateways, gatewayId: string, id: string): Promise<boolean> {
    if (whyNotStorable(id) !== null) return false;
    const { count } = await tx.gatewayToken.deleteMany({ where: { tenantId, gatewayId, id } });
    return count > 0;
  }
}
