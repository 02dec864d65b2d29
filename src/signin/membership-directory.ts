import { Inject, Injectable } from '@nestjs/common';
import { isRole, type Role } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Database, RevocableCache, Revocations } from '../platform/database/index.js';

const CURRENT = { name: 'find_current_tenant', text: 'SELECT find_current_tenant($1) AS "tenantId"' };
const FIND = { name: 'find_membership', text: 'SELECT * FROM find_membership($1, $2)' };

/** A person's role in the org of a tenant. */
export interface Membership {
  readonly orgId: string;
  readonly role: Role;
}

interface MembershipKey {
  readonly tenantId: string;
  readonly userId: string;
}

/** Says who may act in a tenant, and in which role. */
export abstract class MembershipDirectory {
  /** @throws Fault unavailable */
  abstract find(tenantId: string, userId: string): Membership | null | Promise<Membership | null>;

  /**
   * The tenant of a person whose tokens name none; null: none. Asked each time, so that a switch
   * counts at once on every replica.
   *
   * @throws Fault unavailable
   */
  abstract currentTenantOf(userId: string): Promise<string | null>;
}

/**
 * Reads memberships through the same revocable cache as keys: a removed or demoted member is refused everywhere within 1 s,
 * whatever the token still claims.
 */
@Injectable()
export class CachedMembershipDirectory extends MembershipDirectory {
  private readonly cache: RevocableCache<Membership & { readonly userId: string }, MembershipKey>;

  constructor(
    private readonly database: Database,
    revocations: Revocations,
    @Inject(SETTINGS_TOKEN) settings: Settings,
  ) {
    super();
    this.cache = new RevocableCache({
      revocations,
      maxEntries: settings.credentialCacheEntries,
      load: (key: MembershipKey) => this.load(key),
      topics: { membership: ({ orgId, userId }) => `${orgId}:${userId}` },
    });
  }

  find(tenantId: string, userId: string): Membership | null | Promise<Membership | null> {
    return this.cache.get(`${tenantId}\0${userId}`, { tenantId, userId });
  }

  async currentTenantOf(userId: string): Promise<string | null> {
    const [row] = await this.database.call<{ tenantId: string | null }>(CURRENT, [userId]);
    return row?.tenantId ?? null;
  }

  private async load({ tenantId, userId }: MembershipKey): Promise<(Membership & { readonly userId: string }) | null> {
    const [row] = await this.database.call<{ org_id: string; role: string }>(FIND, [tenantId, userId]);
    return row !== undefined && isRole(row.role) ? Object.freeze({ orgId: row.org_id, role: row.role, userId }) : null;
  }
}
