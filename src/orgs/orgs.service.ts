import { Injectable } from '@nestjs/common';
import { auditActor, type AccountPrincipal, type DashboardUserPrincipal } from '../identity/index.js';
import { Database, Prisma } from '../platform/database/index.js';
import { invalidField } from '../platform/errors/index.js';
import { Events } from '../platform/events/index.js';
import { type Page, type PageRequest, PageTokens, newestFirst } from '../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../platform/idempotency/index.js';
import { ClaimWrites, ClaimWritesRepository, type QueuedClaims } from '../signin/index.js';
import { OrgFounding, slugTaken, type OrgFounder } from './org-founding.js';
import { OrgTransactions, notMember } from './org-transactions.js';
import type { CreateOrgRequest, UpdateOrgRequest } from './orgs.dto.js';
import { OrgsRepository, type CreatedOrg, type OrgOfUser, type OrgRecord } from './orgs.repository.js';
import { viewOrg } from './orgs.view.js';

const UNIQUE_VIOLATION = 'P2002';

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
    private readonly founding: OrgFounding,
  ) {}

  /**
   * Makes an org, its first tenant and its owner in one transaction, and has the issuer told. The org stands whether or
   * not the issuer can be reached: the claims follow from an outbox. A repeat with the same name sets them again and
   * answers the same org.
   * @throws Fault already_exists: the person has an org otherwise, or the slug is taken
   */
  async create(founder: OrgFounder, request: CreateOrgRequest): Promise<CreatedOrg> {
    const { created, queued } = await this.database.acrossTenants(founder.userId, (tx, enter) =>
      this.founding.found(tx, enter, founder, request),
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
        const { created, queued } = await this.founding.found(tx, enter, founder, request);
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
   * The orgs of a person. The claims of a member who comes without a tenant, or with a wrong one, got lost: they are set
   * anew, so that the member gets in.
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
}
