import { Injectable } from '@nestjs/common';
import { auditActor, type DashboardUserPrincipal, type SecretKeyPrincipal } from '../../identity/index.js';
import { EnvelopeError, randomBase62 } from '../../platform/crypto/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { Events, type AuditDetails } from '../../platform/events/index.js';
import { newestFirst, PageTokens, type Page } from '../../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../../platform/idempotency/index.js';
import { OutboundHttp } from '../../platform/outbound/index.js';
import type { ProviderKind, ProviderSettings } from '../providers/provider-factory.js';
import type { Provider } from '../providers/provider.js';
import { CredentialStore } from './credential-store.js';
import { ledgerName, ProviderBuilder } from './provider-builder.js';
import { assertFitsKind } from './provider-rules.js';
import { ProviderTester, TEST_TIMEOUT_MS } from './provider-tester.js';
import type {
  CreateProviderRequest,
  ListProvidersRequest,
  ProviderTestView,
  TestProviderRequest,
  UpdateProviderRequest,
} from './providers.dto.js';
import {
  ProvidersRepository,
  type ProviderChanges,
  type ProviderFilter,
  type ProviderRecord,
  type TenantProvidersTransaction,
} from './providers.repository.js';
import { viewProvider } from './providers.view.js';
import { TenantProviders } from './tenant-providers.js';
import { unreadableCredentials } from './unreadable.provider.js';

/** Whose providers are managed: the tenant's own people and servers. */
export type ProviderManager = DashboardUserPrincipal | SecretKeyPrincipal;

/** A call may have to look through all of a tenant's providers. */
const MAX_PROVIDERS = 50;

/** A tenant's model providers: made, looked at, changed, tried. Credentials come in, and never go out. */
@Injectable()
export class ProvidersService {
  constructor(
    private readonly repository: ProvidersRepository,
    private readonly credentials: CredentialStore,
    private readonly builder: ProviderBuilder,
    private readonly tester: ProviderTester,
    private readonly inUse: TenantProviders,
    private readonly outbound: OutboundHttp,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
    private readonly events: Events,
  ) {}

  /** @throws Fault invalid_input naming the fields; already_exists: the name is taken; conflict: there are too many */
  create(principal: ProviderManager, request: CreateProviderRequest, key: string | null): Promise<IdempotentAnswer> {
    const { name, kind, models } = request;
    const form = {
      kind,
      baseUrl: this.addressOf(request.baseUrl),
      credentials: request.credentials,
      settings: request.settings,
    };
    assertFitsKind(form);
    const { tenantId } = principal;
    const actor = auditActor(principal);
    const idempotent = this.idempotency.request(
      `tenant:${tenantId}:${actor.type}:${actor.id}`,
      key,
      'llm/providers/create',
      request,
    );
    return this.change(tenantId, (own) =>
      this.idempotency.once(own.tx, idempotent, tenantId, async () => {
        if ((await this.repository.countAlone(own)) >= MAX_PROVIDERS)
          throw new Fault(
            'conflict',
            `A tenant has at most ${MAX_PROVIDERS} providers; delete one that you do not use.`,
          );
        await this.assertFree(own, name);
        const id = `provider_${randomBase62(20)}`;
        const { baseUrl, settings } = form;
        const credentials = await this.credentials.encrypt(tenantId, form.credentials, { id, kind, baseUrl });
        await this.repository.create(own, {
          id,
          name,
          kind,
          baseUrl,
          models,
          settings,
          credentials,
          createdBy: actor.id,
        });
        await this.publish(own, principal, 'created', id, { name, kind });
        const body = { provider: viewProvider(await this.getIn(own, id)) };
        return { body, kept: body };
      }),
    );
  }

  /** @throws Fault invalid_input: a page token that is not of this tenant and these filters */
  list({ tenantId }: ProviderManager, request: ListProvidersRequest): Promise<Page<ProviderRecord>> {
    const { search, status, ...page } = request;
    const filter: ProviderFilter = { search, ...(status === undefined ? {} : { enabled: status === 'ENABLED' }) };
    return newestFirst(
      this.pageTokens,
      `llm/providers/list:${tenantId}:${JSON.stringify(filter)}`,
      page,
      (record) => record,
      (after, take) => this.repository.read(tenantId, (own) => this.repository.list(own, filter, after, take)),
    );
  }

  /** @throws Fault not_found */
  get({ tenantId }: ProviderManager, id: string): Promise<ProviderRecord> {
    return this.repository.read(tenantId, (own) => this.getIn(own, id));
  }

  /**
   * Changes what is named. Another address needs the credentials again: else anyone who may change a provider could have the
   * stored credentials sent to an address of theirs.
   * @throws Fault not_found; invalid_input naming the fields; already_exists: the name is taken
   */
  update(principal: ProviderManager, request: UpdateProviderRequest): Promise<ProviderRecord> {
    const { tenantId } = principal;
    const { providerId: id, name, credentials, models, settings, enabled } = request;
    const address = request.baseUrl === undefined ? undefined : this.addressOf(request.baseUrl);
    return this.change(tenantId, async (own) => {
      if (name !== undefined) await this.repository.countAlone(own);
      const before = (await this.repository.lock(own, id)) ?? notFound();
      const kind = before.kind as ProviderKind;
      const baseUrl = address === undefined ? before.baseUrl : address;
      assertFitsKind({
        kind,
        baseUrl,
        credentials: credentials ?? null,
        settings: settings ?? (before.settings as ProviderSettings),
      });
      const moves = baseUrl !== before.baseUrl;
      if (moves && credentials === undefined && before.credentialsSetAt !== null) {
        throw invalidField(
          'credentials',
          'are required when baseUrl changes: the stored ones belong to the old address',
        );
      }
      if (name !== undefined && name !== before.name) await this.assertFree(own, name);
      const changes: ProviderChanges = {
        ...(name === undefined ? {} : { name }),
        ...(moves ? { baseUrl } : {}),
        ...(models === undefined ? {} : { models }),
        ...(settings === undefined ? {} : { settings }),
        ...(enabled === undefined ? {} : { enabled }),
        ...(credentials === undefined
          ? {}
          : { credentials: await this.credentials.encrypt(tenantId, credentials, { id, kind, baseUrl }) }),
      };
      const changed = Object.keys(changes);
      if (changed.length > 0) {
        await this.repository.update(own, id, changes);
        await this.publish(own, principal, 'updated', id, { changed, ...(enabled === undefined ? {} : { enabled }) });
      }
      return this.getIn(own, id);
    });
  }

  /** @throws Fault not_found; conflict: routes lead to it */
  async delete(principal: ProviderManager, id: string): Promise<void> {
    await this.change(principal.tenantId, async (own) => {
      assertNoRoute(await this.repository.routesOfAlone(own, id));
      if (!(await this.repository.delete(own, id))) notFound();
      await this.publish(own, principal, 'deleted', id, {});
    });
  }

  /**
   * Asks the provider as it is stored, a disabled one too.
   *
   * @throws Fault not_found; invalid_input: a model must be named; rate_limited; unavailable: the credentials can't be read
   */
  async test({ tenantId }: ProviderManager, { providerId, model }: TestProviderRequest): Promise<ProviderTestView> {
    const stored = await this.repository.read(tenantId, async (own) => ({
      record: await this.getIn(own, providerId),
      credentials: await this.repository.findCredentials(own, providerId),
    }));
    const { record } = stored;
    const asked = model ?? record.models[0] ?? null;
    return this.tester.test(tenantId, await this.providerOf(tenantId, record, stored.credentials), asked);
  }

  private async providerOf(tenantId: string, record: ProviderRecord, stored: Uint8Array | null): Promise<Provider> {
    try {
      const credentials = await this.credentials.decrypt(tenantId, stored, record);
      // A closed list would say nothing of the provider.
      return this.builder.build({ ...record, models: [] }, credentials, TEST_TIMEOUT_MS);
    } catch (error) {
      throw error instanceof EnvelopeError ? unreadableCredentials(ledgerName(record)) : error;
    }
  }

  /**
   * Null: the kind's own address.
   * @throws Fault invalid_input: the URL is not allowed
   */
  private addressOf(baseUrl: string): string | null {
    if (baseUrl === '') return null;
    this.outbound.assertAllowedUrl(baseUrl, 'baseUrl');
    return baseUrl;
  }

  private async change<T>(tenantId: string, work: (own: TenantProvidersTransaction) => Promise<T>): Promise<T> {
    const done = await this.repository.change(tenantId, work);
    this.inUse.forget(tenantId);
    return done;
  }

  private async assertFree(own: TenantProvidersTransaction, name: string): Promise<void> {
    if (!(await this.repository.isNamed(own, name))) return;
    throw new Fault('already_exists', `name: is already the name of another provider of the tenant`, {
      fields: [{ field: 'name', reason: 'is already the name of another provider of the tenant' }],
    });
  }

  private async getIn(own: TenantProvidersTransaction, id: string): Promise<ProviderRecord> {
    return (await this.repository.find(own, id)) ?? notFound();
  }

  private publish<What extends 'created' | 'updated' | 'deleted'>(
    { tx, tenantId }: TenantProvidersTransaction,
    principal: ProviderManager,
    what: What,
    id: string,
    details: AuditDetails<`llm_provider.${What}`>,
  ): Promise<void> {
    return this.events.publish(tx, {
      action: `llm_provider.${what}`,
      actor: auditActor(principal),
      tenantId,
      resource: { type: 'llm_provider', id },
      details,
    });
  }
}

function assertNoRoute(routes: readonly string[]): void {
  if (routes.length === 0) return;
  const named = `${routes.length === 1 ? 'the route' : 'the routes'} ${routes.join(', ')}`;
  throw new Fault(
    'conflict',
    `The provider is a target of ${named}: change its targets with /api/v1/llm/routes/update, or delete it, before you delete the provider.`,
  );
}

/** The same words for an unknown provider and another tenant's. */
function notFound(): never {
  throw new Fault('not_found', 'No provider has this id. List them with /api/v1/llm/providers/list.');
}
