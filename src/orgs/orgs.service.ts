import { Injectable } from '@nestjs/common';
import { auditActor, type AccountPrincipal, type DashboardUserPrincipal } from '../identity/index.js';
import { randomBase62, uuidV7 } from '../platform/crypto/index.js';
import { Database, Prisma, type TenantTransaction } from '../platform/database/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { Events } from '../platform/events/index.js';
import { type Page, type PageRequest, PageTokens, newestFirst } from '../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../platform/idempotency/index.js';
import { ClaimWrites, ClaimWritesRepository, type QueuedClaims } from '../signin/index.js';
import { newTenantId, slugOf, withSuffix } from './org-names.js';
import { OrgTransactions, notMember } from './org-transactions.js';
import type { CreateOrgRequest, UpdateOrgRequest } from './orgs.dto.js';
import { OrgsRepository, type CreatedOrg, type OrgOfUser, type OrgRecord } from './orgs.repository.js';
import { viewOrg } from './orgs.view.js';

/** A signed-in person, in a tenant or in none. */
export interface OrgFounder {
  readonly userId: string;
  /** One that the issuer vouches for; null: none. */
  readonly email: string | null;
  readonly hasTenant: boolean;
}

const DERIVED_SLUG_TRIES = 5;
const UNIQUE_VIOLATION = 'P2002';

type EnterTenant = (tenantId: string) => Promise<void>;

/** Orgs: made, looked at, renamed and deleted by their people. */
@Injectable()
export class OrgsService {
  constructor(
    private readonly database: Database,
    private readonly orgs: OrgTransactions,
    private readonly repository: OrgsRepository,
    private readonly claimWrites: ClaimWrites,
    private readonly outbox: ClaimWritesRepository,
    private readonly events: Events,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
  ) {}

  /**
   * Makes an org, its first tenant and its owner in one transaction, and has the issuer told. The org stands whether or
   * not the issuer can be reached: the claims follow from an outbox, and calling again with the same name, as one does who
   * never saw the answer, sets them again and answers the same org.
   *
   * @throws Fault already_exists: the person has an org otherwise, or the slug is taken
   */
  async create(founder: OrgFounder, request: CreateOrgRequest): Promise<CreatedOrg> {
    const { created, queued } = await this.database.acrossTenants(founder.userId, (tx, enter) =>
      this.found(tx, enter, founder, request),
    );
    await this.claimWrites.writeNow(queued);
    return created;
  }

  /**
   * As `create`, once for each Idempotency-Key.
   *
   * @throws Fault already_exists, conflict: the key was used for another request
   */
  async createOnce(founder: OrgFounder, request: CreateOrgRequest, key: string | null): Promise<IdempotentAnswer> {
    const { userId } = founder;
    const idempotent = this.idempotency.request(`user:${userId}`, key, 'orgs/create', request);
    let claims: QueuedClaims | null = null;
    const answer = await this.database.acrossTenants(userId, (tx, enter) =>
      this.idempotency.once(tx, idempotent, null, async () => {
        const { created, queued } = await this.found(tx, enter, founder, request);
        claims = queued;
        const { org_id: id, tenant_id: tenantId, name, slug, created_at: createdAt, role } = created;
        const body = { org: viewOrg({ id, name, slug, createdAt }, tenantId), membership: { userId, role } };
        return { body, kept: body, tenantId };
      }),
    );
    await this.claimWrites.writeNow(claims);
    return answer;
  }

  /**
   * The orgs of a person. The claims of a member who comes without a tenant, or with a wrong one, got lost: they are
   * set anew, so
   * that the member gets in.
   * @throws Fault invalid_input: a page token that is not ours, or another person's
   */
  async list(
    { kind, userId }: AccountPrincipal | DashboardUserPrincipal,
    request: PageRequest,
  ): Promise<Page<OrgOfUser>> {
    const page = await newestFirst<OrgOfUser>(
      this.pageTokens,
      `orgs/list:${userId}`,
      request,
      ({ created_at: createdAt, id }) => ({ createdAt, id }),
      (after, take) => this.repository.listOfUser(userId, after, take),
    );
    if (kind === 'account' && page.records.length > 0) {
      await this.claimWrites.writeNow(await this.database.acrossTenants(userId, (tx) => this.outbox.queue(tx, userId)));
    }
    return page;
  }

  /** @throws Fault permission_denied */
  get(principal: DashboardUserPrincipal): Promise<OrgRecord> {
    return this.orgs.read(principal, async (org) => (await this.repository.findById(org)) ?? notMember());
  }

  /** @throws Fault already_exists: the slug is taken; permission_denied */
  async update(principal: DashboardUserPrincipal, { name, slug }: UpdateOrgRequest): Promise<OrgRecord> {
    const changes = { ...(name === undefined ? {} : { name }), ...(slug === undefined ? {} : { slug }) };
    const fields = Object.keys(changes);
    if (fields.length === 0) return this.get(principal);
    try {
      return await this.orgs.change(principal, async (org) => {
        const updated = (await this.repository.update(org, changes)) ?? notMember();
        await this.events.publish(org.tx, {
          action: 'org.updated',
          actor: auditActor(principal),
          tenantId: null,
          resource: { type: 'org', id: org.orgId },
          details: { fields },
        });
        return updated;
      });
    } catch (error) {
      // Another org's row can't be seen, but its slug is still taken.
      if (error instanceof Prisma.PrismaClientKnownRequestError && error.code === UNIQUE_VIOLATION) throw slugTaken();
      throw error;
    }
  }

  /**
   * Deletes the org with its tenants, all that these have, its members and its invitations. The claims of those whose
   * tenant it was follow from the outbox.
   *
   * @throws Fault invalid_input: the name was not typed exactly; permission_denied
   */
  async delete(principal: DashboardUserPrincipal, typedName: string): Promise<void> {
    const result = await this.orgs.change(principal, (org) => this.repository.delete(org, typedName));
    if (result === 'wrong_name') throw invalidField('name', "must be the org's name, exactly");
  }

  private async found(
    tx: TenantTransaction,
    enter: EnterTenant,
    founder: OrgFounder,
    request: CreateOrgRequest,
  ): Promise<{ created: CreatedOrg; queued: QueuedClaims }> {
    const derived = request.slug === '';
    const base = derived ? slugOf(request.name) : request.slug;
    for (let attempt = 0; ; attempt += 1) {
      const slug = attempt === 0 ? base : withSuffix(base);
      const queued = { id: uuidV7(), userId: founder.userId };
      const created = await this.repository.create(tx, {
        ...founder,
        orgId: `org_${randomBase62(20)}`,
        tenantId: newTenantId(slug),
        name: request.name,
        slug,
        claimWriteId: queued.id,
      });
      if (created === 'has_org') throw new Fault('already_exists', 'You already belong to an org.');
      if (created === 'slug_taken') {
        if (derived && attempt < DERIVED_SLUG_TRIES) continue;
        throw slugTaken();
      }
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
}

function slugTaken(): Fault {
  return new Fault('already_exists', 'slug: is already taken.', {
    fields: [{ field: 'slug', reason: 'is already taken' }],
  });
}
