import { Injectable } from '@nestjs/common';
import { ROLE_SCOPES, defaultKeyScopes, type DashboardUserPrincipal, type Scope } from '../identity/index.js';
import { PepperRing, randomBase62 } from '../platform/crypto/index.js';
import { Revocations } from '../platform/database/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { PageTokens } from '../platform/http/index.js';
import { newSecretKey, shownPrefix } from './key-format.js';
import type { CreateKeyRequest, ListKeysRequest, UpdateKeyRequest } from './keys.dto.js';
import { KeysRepository, type ApiKeyRecord } from './keys.repository.js';

const DEFAULT_PAGE_SIZE = 50;

export interface CreatedKey {
  readonly record: ApiKeyRecord;
  /** Shown to the creator this once. */
  readonly key: string;
}

/** A tenant's API keys: made, looked at, changed, revoked, by people of the tenant alone. */
@Injectable()
export class KeysService {
  constructor(
    private readonly repository: KeysRepository,
    private readonly peppers: PepperRing,
    private readonly pageTokens: PageTokens,
    private readonly revocations: Revocations,
  ) {}

  /** @throws Fault invalid_input, permission_denied */
  async create(principal: DashboardUserPrincipal, request: CreateKeyRequest): Promise<CreatedKey> {
    const scopes = request.permissions ?? defaultKeyScopes(principal.role);
    assertGrantable(principal, scopes);
    this.assertFuture(request.expiresAt);
    const key = newSecretKey();
    const { version, hash } = this.peppers.current(key);
    const record = await this.repository.create(principal.tenantId, {
      id: `key_${randomBase62(20)}`,
      type: 'SECRET',
      name: request.name,
      description: request.description,
      keyPrefix: shownPrefix(key),
      hash,
      pepperVersion: version,
      scopes,
      requestsPerMinute: request.rateLimit?.requestsPerMinute || null,
      expiresAt: request.expiresAt ?? null,
      createdBy: principal.userId,
    });
    return { record, key };
  }

  /** @throws Fault not_found */
  async get(principal: DashboardUserPrincipal, keyId: string): Promise<ApiKeyRecord> {
    return (await this.repository.findById(principal.tenantId, keyId)) ?? notFound();
  }

  /** @throws Fault invalid_input: a page token that is not ours, or another tenant's */
  async list(
    principal: DashboardUserPrincipal,
    request: ListKeysRequest,
  ): Promise<{ records: ApiKeyRecord[]; nextPageToken: string }> {
    const take = request.pageSize || DEFAULT_PAGE_SIZE;
    const scope = `api-keys/list:${principal.tenantId}`;
    const after = this.pageTokens.read(scope, request.pageToken);
    const found = await this.repository.list(
      principal.tenantId,
      after === null ? null : { createdAt: new Date(Number(after[0])), id: String(after[1]) },
      take + 1,
    );
    const records = found.slice(0, take);
    const last = records.at(-1);
    return {
      records,
      nextPageToken:
        found.length > take && last !== undefined
          ? this.pageTokens.write(scope, [last.createdAt.getTime(), last.id])
          : '',
    };
  }

  /** @throws Fault not_found, invalid_input, permission_denied, conflict */
  async update(principal: DashboardUserPrincipal, request: UpdateKeyRequest): Promise<ApiKeyRecord> {
    if (request.permissions !== undefined) assertGrantable(principal, request.permissions);
    if (request.neverExpires && request.expiresAt !== undefined) {
      throw invalidField('neverExpires', 'contradicts expiresAt');
    }
    this.assertFuture(request.expiresAt);
    const updated = await this.repository.update(principal.tenantId, request.keyId, {
      ...(request.name === undefined ? {} : { name: request.name }),
      ...(request.description === undefined ? {} : { description: request.description }),
      ...(request.permissions === undefined ? {} : { scopes: request.permissions }),
      ...(request.rateLimit === undefined ? {} : { requestsPerMinute: request.rateLimit.requestsPerMinute || null }),
      ...(request.neverExpires ? { expiresAt: null } : {}),
      ...(request.expiresAt === undefined ? {} : { expiresAt: request.expiresAt }),
    });
    if (updated !== null) return updated;
    await this.get(principal, request.keyId);
    throw new Fault('conflict', 'The key is revoked; a revoked key stays as it is.');
  }

  /** Revoking twice is as good as once. @throws Fault not_found */
  async revoke(principal: DashboardUserPrincipal, keyId: string): Promise<ApiKeyRecord> {
    return (await this.repository.revoke(principal.tenantId, keyId, this.now())) ?? notFound();
  }

  /** The database's now, by which expiry is judged. */
  now(): Date {
    return new Date(this.revocations.databaseNow());
  }

  private assertFuture(expiresAt: Date | undefined): void {
    if (expiresAt !== undefined && expiresAt <= this.now()) throw invalidField('expiresAt', 'must be in the future');
  }
}

/** Nobody grants what they lack themselves. */
function assertGrantable(principal: DashboardUserPrincipal, scopes: readonly Scope[]): void {
  const missing = scopes.filter((scope) => !ROLE_SCOPES[principal.role].has(scope));
  if (missing.length > 0) {
    throw new Fault('permission_denied', `The role ${principal.role} may not grant ${missing.join(', ')}.`, {
      fields: missing.map((scope) => ({ field: 'permissions', reason: `the role ${principal.role} lacks ${scope}` })),
    });
  }
}

/** Another tenant's key is answered in the very same words. */
function notFound(): never {
  throw new Fault('not_found', 'There is no such API key.');
}
