import { Inject, Injectable } from '@nestjs/common';
import type { DashboardUserPrincipal } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../platform/idempotency/index.js';
import { formatTimestamp } from '../platform/protojson/index.js';
import type { CreateKeyRequest, CreatePublishableKeyRequest, RotateKeyRequest } from './keys.dto.js';
import { KeysService, type Around, type IssuedKey } from './keys.service.js';
import { viewKey } from './keys.view.js';

type Issued = IssuedKey & { readonly previousEndsAt?: Date };

/**
 * Makes a key's secret once for each Idempotency-Key, in the transaction that writes the key. The copy for a
 * repeat lacks the key itself.
 */
@Injectable()
export class IssuedOnce {
  constructor(
    private readonly keys: KeysService,
    private readonly idempotency: IdempotencyKeys,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {}

  /** @throws Fault as KeysService; conflict: the Idempotency-Key was used for another request */
  create(principal: DashboardUserPrincipal, request: CreateKeyRequest, key: string | null): Promise<IdempotentAnswer> {
    return this.keys.create(principal, request, this.once(principal, key, 'api-keys/create', request));
  }

  /** @throws Fault as `create` */
  createPublishable(
    principal: DashboardUserPrincipal,
    request: CreatePublishableKeyRequest,
    key: string | null,
  ): Promise<IdempotentAnswer> {
    const once = this.once(principal, key, 'api-keys/create-publishable', request);
    return this.keys.createPublishable(principal, request, once);
  }

  /** @throws Fault as `create` */
  rotate(principal: DashboardUserPrincipal, request: RotateKeyRequest, key: string | null): Promise<IdempotentAnswer> {
    return this.keys.rotate(principal, request, this.once(principal, key, 'api-keys/rotate', request));
  }

  private once(
    { tenantId, userId }: DashboardUserPrincipal,
    idempotencyKey: string | null,
    route: string,
    request: object,
  ): Around<Issued, IdempotentAnswer> {
    const idempotent = this.idempotency.request(`tenant:${tenantId}:user:${userId}`, idempotencyKey, route, request);
    return (transaction, issue) =>
      this.idempotency.once(transaction, idempotent, tenantId, async () => {
        const { record, key, previousEndsAt } = await issue();
        const shown = {
          ...viewKey(record, this.settings, this.keys.now()),
          ...(previousEndsAt === undefined ? {} : { previousKeyExpiresAt: formatTimestamp(previousEndsAt) }),
        };
        return { body: { result: { ...shown, key } }, kept: { result: shown } };
      });
  }
}
