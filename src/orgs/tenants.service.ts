import { Injectable } from '@nestjs/common';
import { auditActor, type DashboardUserPrincipal } from '../identity/index.js';
import { uuidV7 } from '../platform/crypto/index.js';
import { Database } from '../platform/database/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { Events, type AuditDetails } from '../platform/events/index.js';
import { type Page, type PageRequest, PageTokens, newestFirst } from '../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../platform/idempotency/index.js';
import { ClaimWrites } from '../signin/index.js';
import { newTenantId, slugOf } from './org-names.js';
import { OrgTransactions, type OrgTransaction } from './org-transactions.js';
import type { CreateTenantRequest, DeleteTenantRequest, UpdateTenantRequest } from './tenants.dto.js';
import { TenantsRepository, type SwitchedTenant, type TenantRecord } from './tenants.repository.js';
import { viewTenant } from './tenants.view.js';

/** An org's tenants: production, staging, whatever its people keep apart. */
@Injectable()
export class TenantsService {
  constructor(
    private readonly database: Database,
    private readonly orgs: OrgTransactions,
    private readonly repository: TenantsRepository,
    private readonly claimWrites: ClaimWrites,
    private readonly events: Events,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault invalid_input: a page token that is not ours, or another org's */
  list(principal: DashboardUserPrincipal, request: PageRequest): Promise<Page<TenantRecord>> {
    return this.orgs.read(principal, (org) =>
      newestFirst(
        this.pageTokens,
        `tenants/list:${org.orgId}`,
        request,
        (record) => record,
        (after, take) => this.repository.list(org, after, take),
      ),
    );
  }

  /** @throws Fault conflict: the Idempotency-Key was used for another request; permission_denied */
  create(
    principal: DashboardUserPrincipal,
    request: CreateTenantRequest,
    key: string | null,
  ): Promise<IdempotentAnswer> {
    return this.orgs.change(principal, (org) => {
      const owner = `org:${org.orgId}:user:${principal.userId}`;
      const idempotent = this.idempotency.request(owner, key, 'tenants/create', request);
      return this.idempotency.once(org.tx, idempotent, principal.tenantId, async () => {
        const id = newTenantId(slugOf(request.name));
        const tenant = await this.repository.create(org, id, request);
        const { defaultLimits } = request;
        await this.publish(org, principal, 'tenant.created', id, defaultLimits === undefined ? {} : { defaultLimits });
        const body = { tenant: viewTenant(tenant, principal.tenantId) };
        // The answer is about the new tenant, and goes with that one.
        return { body, kept: body, tenantId: id };
      });
    });
  }

  /** @throws Fault not_found */
  get(principal: DashboardUserPrincipal, tenantId: string): Promise<TenantRecord> {
    return this.orgs.read(principal, async (org) => (await this.repository.find(org, tenantId)) ?? notFound());
  }

  /**
   * Changes what is named. Default limits hold for new humans from then on; existing ones keep what they have.
   * @throws Fault not_found, permission_denied
   */
  update(principal: DashboardUserPrincipal, { tenantId, ...changes }: UpdateTenantRequest): Promise<TenantRecord> {
    const { defaultLimits } = changes;
    const fields = Object.entries(changes).flatMap(([field, value]) => (value === undefined ? [] : [field]));
    return this.orgs.change(principal, async (org) => {
      if (fields.length === 0) return (await this.repository.find(org, tenantId)) ?? notFound();
      const updated = (await this.repository.update(org, tenantId, changes)) ?? notFound();
      await this.publish(org, principal, 'tenant.updated', tenantId, {
        fields,
        ...(defaultLimits === undefined ? {} : { defaultLimits }),
      });
      return updated;
    });
  }

  /**
   * Has the person's claims name another tenant, of any org that they belong to. Tokens that are out stay as they are: the
   * person is there with the next one.
   *
   * @throws Fault not_found: no such tenant, or none where this person is a member
   */
  async switch(principal: DashboardUserPrincipal, tenantId: string): Promise<SwitchedTenant> {
    const queued = { id: uuidV7(), userId: principal.userId };
    const switched = await this.database.acrossTenants(principal.userId, (tx) =>
      this.repository.switch(tx, queued, tenantId),
    );
    if (switched === null) return notFound();
    await this.claimWrites.writeNow(queued);
    return switched;
  }

  /**
   * Deletes a tenant with all that it has. What stays is one row of the org's audit log, without a person's name: the
   * deletion writes it itself, since what listeners write belongs to the tenant and goes with it.
   * @throws Fault not_found, invalid_input: the name was not typed exactly; conflict: the org's last; permission_denied
   */
  async delete(principal: DashboardUserPrincipal, { tenantId, name }: DeleteTenantRequest): Promise<void> {
    const result = await this.orgs.change(principal, (org) => this.repository.delete(org, tenantId, name, uuidV7()));
    switch (result) {
      case 'deleted':
        return;
      case 'not_found':
        return notFound();
      case 'wrong_name':
        throw invalidField('name', "must be the tenant's name, exactly");
      case 'last_tenant':
        throw new Fault(
          'conflict',
          "The org's last tenant cannot be deleted. Delete the org with /api/v1/orgs/delete.",
        );
      default:
        return result satisfies never;
    }
  }

  private publish<Action extends 'tenant.created' | 'tenant.updated'>(
    org: OrgTransaction,
    principal: DashboardUserPrincipal,
    action: Action,
    tenantId: string,
    details: AuditDetails<Action>,
  ): Promise<void> {
    return this.events.publish(org.tx, {
      action,
      actor: auditActor(principal),
      tenantId: null,
      resource: { type: 'tenant', id: tenantId },
      details,
    });
  }
}

/** The same words for an unknown tenant and another org's. */
function notFound(): never {
  throw new Fault('not_found', 'No tenant of yours has this id. List them with /api/v1/tenants/list.');
}
