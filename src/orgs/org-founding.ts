import { Injectable } from '@nestjs/common';
import { randomBase62, uuidV7 } from '../platform/crypto/index.js';
import { Database, type TenantTransaction } from '../platform/database/index.js';
import { Fault } from '../platform/errors/index.js';
import { Events } from '../platform/events/index.js';
import type { QueuedClaims } from '../signin/index.js';
import { newTenantId, slugOf, withSuffix } from './org-names.js';
import type { CreateOrgRequest } from './orgs.dto.js';
import { OrgsRepository, type CreatedOrg } from './orgs.repository.js';

/** A signed-in person, in a tenant or in none. */
export interface OrgFounder {
  readonly userId: string;
  /** One that the issuer vouches for; null: none. */
  readonly email: string | null;
  readonly hasTenant: boolean;
}

type EnterTenant = (tenantId: string) => Promise<void>;

const DERIVED_SLUG_TRIES = 5;

/** How an org begins: with its first tenant and its owner, in one transaction. */
@Injectable()
export class OrgFounding {
  private readonly repository: OrgsRepository;

  constructor(
    private readonly database: Database,
    private readonly events: Events,
  ) {
    this.repository = new OrgsRepository(database);
  }

  /**
   * Past the service: its claims wait in the outbox for the next start.
   *
   * @throws Fault already_exists
   */
  async create(founder: OrgFounder, request: CreateOrgRequest): Promise<CreatedOrg> {
    return this.database.acrossTenants(
      founder.userId,
      async (tx, enter) => (await this.found(tx, enter, founder, request)).created,
    );
  }

  /** @throws Fault already_exists: the person has an org otherwise, or the slug is taken */
  async found(
    tx: TenantTransaction,
    enter: EnterTenant,
    founder: OrgFounder,
    request: CreateOrgRequest,
  ): Promise<{ created: CreatedOrg; queued: QueuedClaims }> {
    const queued = { id: uuidV7(), userId: founder.userId };
    const created = await withFreeSlug(request, (names) =>
      this.repository.create(tx, { ...founder, ...names, claimWriteId: queued.id }),
    );
    if (created === 'has_org')
      throw new Fault(
        'already_exists',
        'You already belong to an org. Add a tenant to it with /api/v1/tenants/create.',
      );
    if (created.result === 'created') {
      await enter(created.tenant_id);
      await this.events.publish(tx, {
        action: 'org.created',
        actor: { type: 'user', id: founder.userId },
        tenantId: null,
        resource: { type: 'org', id: created.org_id },
        details: {},
      });
    }
    return { created, queued };
  }
}

/** The ids and names of an org that begins. */
interface NewOrgNames {
  readonly orgId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly slug: string;
}

/**
 * Tries the slug of the request, or several that are derived from the name.
 *
 * @throws Fault already_exists: the slug is taken
 */
export async function withFreeSlug<T>(
  request: CreateOrgRequest,
  create: (names: NewOrgNames) => Promise<T | 'slug_taken'>,
): Promise<T> {
  const derived = request.slug === '';
  const base = derived ? slugOf(request.name) : request.slug;
  for (let attempt = 0; ; attempt += 1) {
    const slug = attempt === 0 ? base : withSuffix(base);
    const tenantId = newTenantId(slug);
    const created = await create({ orgId: `org_${randomBase62(20)}`, tenantId, name: request.name, slug });
    if (created !== 'slug_taken') return created;
    if (!derived || attempt >= DERIVED_SLUG_TRIES) throw slugTaken();
  }
}

export function slugTaken(): Fault {
  return new Fault('already_exists', 'slug: is already taken; choose another one.', {
    fields: [{ field: 'slug', reason: 'is already taken; choose another one' }],
  });
}
