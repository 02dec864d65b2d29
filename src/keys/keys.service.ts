import { Inject, Injectable } from '@nestjs/common';
import {
  ROLE_SCOPES,
  auditActor,
  defaultKeyScopes,
  isScope,
  type DashboardUserPrincipal,
  type Scope,
} from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { PepperRing, randomBase62 } from '../platform/crypto/index.js';
import { Revocations, type TenantTransaction } from '../platform/database/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { Events, type AuditDetails } from '../platform/events/index.js';
import { newestFirst, PageTokens, type Page } from '../platform/http/index.js';
import { changesOf, limitColumns, oidcColumns, outputColumns, rateColumns } from './key-changes.js';
import { newKey, shownPrefix, type ApiKeyType } from './key-format.js';
import { assertRatesBelow } from './rate-ceiling.js';
import {
  PUBLISHABLE_SCOPES,
  type CreateKeyRequest,
  type CreatePublishableKeyRequest,
  type ListKeysRequest,
  type RotateKeyRequest,
  type UpdateKeyRequest,
} from './keys.dto.js';
import {
  KeysRepository,
  type ApiKeyChanges,
  type ApiKeyRecord,
  type KeyDetails,
  type KeySecret,
  type TenantKeys,
} from './keys.repository.js';
import { TenantIssuers } from './tenant-issuers.js';

export interface IssuedKey {
  readonly record: ApiKeyRecord;
  /** Shown only once, to the caller who asked for it. */
  readonly key: string;
}

export interface RotatedKey extends IssuedKey {
  /** When the old secret ends: with its grace, or earlier with the key. */
  readonly previousEndsAt: Date;
}

/**
 * Wraps the work that makes a secret, in its transaction, so that what the wrapper writes (an Idempotency-Key) is committed
 * with the key or not at all.
 */
export type Around<Issued, T> = (transaction: TenantTransaction, issue: () => Promise<Issued>) => Promise<T>;

/** Adds nothing to the work. */
export const plainly = <Issued>(_: TenantTransaction, issue: () => Promise<Issued>): Promise<Issued> => issue();

/** A tenant's API keys. Only people of the tenant manage them. */
@Injectable()
export class KeysService {
  constructor(
    private readonly repository: KeysRepository,
    private readonly issuers: TenantIssuers,
    private readonly peppers: PepperRing,
    private readonly pageTokens: PageTokens,
    private readonly revocations: Revocations,
    private readonly events: Events,
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'mostRequestsPerMinute'>,
  ) {}

  /** @throws Fault invalid_input, permission_denied */
  async create<T>(
    principal: DashboardUserPrincipal,
    { name, description, permissions, models = [], rateLimit, expiresAt, defaultOutputTokens }: CreateKeyRequest,
    around: Around<IssuedKey, T>,
  ): Promise<T> {
    assertRatesBelow(this.settings.mostRequestsPerMinute, rateLimit);
    const scopes = permissions ?? defaultKeyScopes(principal.role);
    assertGrantable(principal, scopes);
    return this.repository.change(principal.tenantId, (keys) =>
      around(keys.tx, () =>
        this.issue(keys, principal, 'SECRET', {
          ...{ name, description, scopes, models, expiresAt: expiresAt ?? null },
          ...rateColumns(rateLimit),
          ...outputColumns(defaultOutputTokens),
        }),
      ),
    );
  }

  /** @throws Fault invalid_input, permission_denied, conflict: another issuer of the tenant could have the same humans */
  async createPublishable<T>(
    principal: DashboardUserPrincipal,
    request: CreatePublishableKeyRequest,
    around: Around<IssuedKey, T>,
  ): Promise<T> {
    const { name, description, permissions, models = [], rateLimit, expiresAt, oidcConfig, allowedOrigins } = request;
    assertRatesBelow(this.settings.mostRequestsPerMinute, rateLimit);
    if (oidcConfig === undefined) this.issuers.assertMayLack();
    else this.issuers.assertMaySet(principal, oidcConfig);
    const scopes = permissions ?? PUBLISHABLE_SCOPES.filter((scope) => ROLE_SCOPES[principal.role].has(scope));
    const columns = {
      ...{ name, description, scopes, models, expiresAt: expiresAt ?? null, allowedOrigins },
      ...rateColumns(rateLimit),
      ...outputColumns(request.defaultOutputTokens),
      ...limitColumns(request.defaultLimits, request.unlimited),
      ...(oidcConfig === undefined ? {} : oidcColumns(oidcConfig)),
    };
    return this.repository.change(principal.tenantId, (keys) =>
      around(keys.tx, async () => {
        await this.issuers.assertApart(keys, columns, null);
        return this.issue(keys, principal, 'PUBLISHABLE', columns);
      }),
    );
  }

  /** @throws Fault not_found */
  get({ tenantId }: DashboardUserPrincipal, keyId: string): Promise<ApiKeyRecord> {
    return this.repository.transaction(
      tenantId,
      async (keys) => (await this.repository.find(keys, keyId)) ?? notFound(),
    );
  }

  /** @throws Fault invalid_input: a page token that is not ours, or another tenant's */
  list({ tenantId }: DashboardUserPrincipal, request: ListKeysRequest): Promise<Page<ApiKeyRecord>> {
    const { pageSize, pageToken, ...filter } = request;
    return newestFirst(
      this.pageTokens,
      `api-keys/list:${tenantId}:${JSON.stringify([filter.search, filter.status, filter.type])}`,
      { pageSize, pageToken },
      (record) => record,
      (after, take) =>
        this.repository.transaction(tenantId, (keys) => this.repository.list(keys, filter, this.now(), after, take)),
    );
  }

  /** @throws Fault not_found, invalid_input, permission_denied, conflict */
  async update(principal: DashboardUserPrincipal, request: UpdateKeyRequest): Promise<ApiKeyRecord> {
    const { keyId, permissions, oidcConfig, expiresAt } = request;
    assertRatesBelow(this.settings.mostRequestsPerMinute, request.rateLimit);
    if (oidcConfig !== undefined) this.issuers.assertMaySet(principal, oidcConfig);
    if (permissions !== undefined) assertGrantable(principal, permissions);
    if (request.neverExpires && expiresAt !== undefined)
      throw invalidField('neverExpires', 'must not be sent together with expiresAt');
    this.assertFuture(expiresAt);
    return this.repository.change(principal.tenantId, async (keys) => {
      const before = (await this.repository.lock(keys, keyId)) ?? notFound();
      if (before.revokedAt !== null) throw isRevoked();
      const { fields, columns } = changesOf(before, request);
      if (fields.length === 0) return before;
      // A longer life or more room for a key grants its scopes anew.
      if (fields.some((field) => WIDENING.has(field))) assertHeld(principal, before.scopes.filter(isScope));
      const changesIssuer = fields.includes('oidcConfig');
      if (changesIssuer) await this.issuers.assertApart(keys, columns, keyId);
      const changed = (await this.repository.update(keys, keyId, columns)) ?? notFound();
      await this.publish(keys, principal, 'key.updated', keyId, {
        changed: fields,
        ...(changesIssuer ? { oldIssuer: issuerOf(before), newIssuer: issuerOf(changed) } : {}),
      });
      return changed;
    });
  }

  /**
   * Gives a key a new secret; its id, scopes and limits stay. The old secret works until its grace is over. A person who
   * rotates a key gets all its rights: so only a person who has them may do it.
   *
   * @throws Fault not_found, permission_denied, conflict: the key is revoked, or expired
   */
  rotate<T>(
    principal: DashboardUserPrincipal,
    { keyId, gracePeriodSeconds }: RotateKeyRequest,
    around: Around<RotatedKey, T>,
  ): Promise<T> {
    return this.repository.change(principal.tenantId, (keys) =>
      around(keys.tx, async () => {
        const before = (await this.repository.lock(keys, keyId)) ?? notFound();
        assertHeld(principal, before.scopes.filter(isScope));
        if (before.revokedAt !== null) throw isRevoked();
        if (before.expiresAt !== null && before.expiresAt <= this.now()) throw hasExpired();
        const { key, secret } = this.newSecret(before.type === 'PUBLISHABLE' ? 'PUBLISHABLE' : 'SECRET');
        const { record, graceEndsAt } = await this.repository.rotate(keys, keyId, secret, gracePeriodSeconds);
        await this.publish(keys, principal, 'key.rotated', keyId, { gracePeriodSeconds });
        const { expiresAt } = record;
        return { record, key, previousEndsAt: expiresAt !== null && expiresAt < graceEndsAt ? expiresAt : graceEndsAt };
      }),
    );
  }

  /** A second revocation succeeds too. @throws Fault not_found */
  revoke(principal: DashboardUserPrincipal, keyId: string): Promise<ApiKeyRecord> {
    return this.repository.change(principal.tenantId, async (keys) => {
      const revoked = await this.repository.revoke(keys, keyId, this.now());
      if (revoked) await this.publish(keys, principal, 'key.revoked', keyId, {});
      return (await this.repository.find(keys, keyId)) ?? notFound();
    });
  }

  /** Who made these keys, and until when their older secrets work. */
  details({ tenantId }: DashboardUserPrincipal, records: readonly ApiKeyRecord[]): Promise<KeyDetails> {
    return this.repository.transaction(tenantId, (keys) => this.repository.details(keys, records, this.now()));
  }

  /** The database's time, by which expiry is judged. */
  now(): Date {
    return new Date(this.revocations.databaseNow());
  }

  private async issue(
    keys: TenantKeys,
    principal: DashboardUserPrincipal,
    type: ApiKeyType,
    columns: ApiKeyChanges & { readonly name: string; readonly scopes: readonly Scope[] },
  ): Promise<IssuedKey> {
    assertGrantable(principal, columns.scopes);
    this.assertFuture(columns.expiresAt);
    const id = `key_${randomBase62(20)}`;
    const { key, secret } = this.newSecret(type);
    const record = await this.repository.create(keys, { ...columns, ...secret, id, type, createdBy: principal.userId });
    const issuer = issuerOf(record);
    await this.publish(keys, principal, 'key.created', id, {
      ...{ type, permissions: columns.scopes },
      ...(issuer === null ? {} : { issuer }),
    });
    return { record, key };
  }

  private newSecret(type: ApiKeyType): { key: string; secret: KeySecret } {
    const key = newKey(type);
    return { key, secret: { keyPrefix: shownPrefix(key), hash: this.peppers.current(key) } };
  }

  private assertFuture(expiresAt: Date | null | undefined): void {
    if (expiresAt && expiresAt <= this.now()) throw invalidField('expiresAt', 'must be in the future');
  }

  private publish<Action extends 'key.created' | 'key.updated' | 'key.rotated' | 'key.revoked'>(
    { tx, tenantId }: TenantKeys,
    principal: DashboardUserPrincipal,
    action: Action,
    keyId: string,
    details: AuditDetails<Action>,
  ): Promise<void> {
    return this.events.publish(tx, {
      action,
      actor: auditActor(principal),
      tenantId,
      resource: { type: 'key', id: keyId },
      details,
    });
  }
}

const WIDENING: ReadonlySet<string> = new Set(['expiresAt', 'neverExpires', 'rateLimit', 'models']);

/** A key's whole issuer: a change of any part lets its author be any of the key's humans. */
function issuerOf(record: ApiKeyRecord): object | null {
  const { oidcIssuer, oidcAudience, oidcJwksUri, humanPrefix } = record;
  return oidcIssuer === null ? null : { issuer: oidcIssuer, audience: oidcAudience, jwksUri: oidcJwksUri, humanPrefix };
}

/** A person can't grant what they lack. */
function assertGrantable(principal: DashboardUserPrincipal, scopes: readonly Scope[]): void {
  const missing = lackedBy(principal, scopes);
  if (missing.length === 0) return;
  const message = `The role ${principal.role} may not grant ${missing.join(', ')}. Leave them out, or ask an owner of the org.`;
  throw new Fault('permission_denied', message, {
    fields: missing.map((scope) => ({ field: 'permissions', reason: `the role ${principal.role} lacks ${scope}` })),
  });
}

/** A person can't take what they lack. */
function assertHeld(principal: DashboardUserPrincipal, scopes: readonly Scope[]): void {
  const missing = lackedBy(principal, scopes);
  if (missing.length === 0) return;
  const reason = `the key has ${missing.join(', ')}, which the role ${principal.role} does not include: ask an owner or admin of the org`;
  throw new Fault('permission_denied', `keyId: ${reason}.`, { fields: [{ field: 'keyId', reason }] });
}

function lackedBy({ role }: DashboardUserPrincipal, scopes: readonly Scope[]): Scope[] {
  return scopes.filter((scope) => !ROLE_SCOPES[role].has(scope));
}

function isRevoked(): Fault {
  return new Fault(
    'conflict',
    'The key is revoked and can no longer be changed. Create a new one with /api/v1/api-keys/create.',
  );
}

function hasExpired(): Fault {
  return new Fault(
    'conflict',
    'The key has expired. Set a later expiresAt with /api/v1/api-keys/update before you rotate it.',
  );
}

/** An unknown key and another tenant's get the same words. */
function notFound(): never {
  throw new Fault('not_found', 'No API key has this id. List them with /api/v1/api-keys/list.');
}
