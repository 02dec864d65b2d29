import { Injectable } from '@nestjs/common';
import { auditActor, type DashboardUserPrincipal, type SecretKeyPrincipal } from '../../identity/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { Events } from '../../platform/events/index.js';
import { PageTokens, type PageRequest } from '../../platform/http/index.js';
import type { Model } from '../models/model-catalogue.js';
import { KnownModels } from '../models/model-facts.js';
import { ModelOverridesRepository } from '../models/model-overrides.repository.js';
import { TenantModels } from '../models/tenant-models.js';
import { ModelRouter } from '../routing/model-router.js';
import { modelAt } from '../routing/route.js';
import type { ModelView, UpdateModelRequest } from './tenants-models.dto.js';
import { viewModel } from './tenants-models.view.js';

export type ModelsPrincipal = DashboardUserPrincipal | SecretKeyPrincipal;

const DEFAULT_PAGE_SIZE = 50;
const MAX_OVERRIDES = 1_000;

/** The models that a tenant can name, with what is known of each, and what the tenant says instead. */
@Injectable()
export class TenantsModelsService {
  constructor(
    private readonly router: ModelRouter,
    private readonly known: KnownModels,
    private readonly tenantModels: TenantModels,
    private readonly repository: ModelOverridesRepository,
    private readonly events: Events,
    private readonly pageTokens: PageTokens,
  ) {}

  /** By name. @throws Fault invalid_input: a page token that is not of this listing; upstream_failed */
  async list(
    { tenantId }: ModelsPrincipal,
    { pageSize, pageToken }: PageRequest,
  ): Promise<{ models: ModelView[]; nextPageToken: string }> {
    const scope = `llm/models/list:${tenantId}`;
    const after = String(this.pageTokens.read(scope, pageToken)?.[0] ?? '');
    const take = pageSize || DEFAULT_PAGE_SIZE;
    const owners = new Map((await this.modelsOf(tenantId)).map(({ id, owned_by: owner }) => [id, owner]));
    for (const name of await this.tenantModels.namesOf(tenantId)) if (!owners.has(name)) owners.set(name, '');
    const names = [...owners.keys()].filter((name) => name > after).sort();
    const shown = names.slice(0, take);
    return {
      models: await Promise.all(shown.map((name) => this.view(tenantId, name, owners.get(name) ?? ''))),
      nextPageToken: names.length > take ? this.pageTokens.write(scope, [shown.at(-1) ?? '']) : '',
    };
  }

  /** @throws Fault invalid_input */
  async update(principal: ModelsPrincipal, request: UpdateModelRequest): Promise<ModelView> {
    const { tenantId } = principal;
    const { model, reset, ...said } = request;
    const named = Object.entries(said).filter(([, value]) => value !== undefined);
    if (reset && named.length > 0) throw invalidField('reset', 'must not be sent together with fields to set');
    if (!reset && named.length === 0) throw invalidField('model', 'is the only field: send what to change, or reset');
    if (!reset) this.assertWhole(request, await this.tenantModels.namesOf(tenantId));
    const { price } = said;
    await this.repository.change(tenantId, async (tx) => {
      if (reset) await this.repository.delete(tx, tenantId, model);
      else {
        await this.repository.set(tx, tenantId, model, {
          ...said,
          price: price && {
            ...{ input: price.input, output: price.output, cachedInput: price.cachedInput ?? price.input },
            cacheWrite: price.cacheWrite ?? null,
            asOf: price.asOf ?? new Date().toISOString().slice(0, 10),
          },
        });
        if ((await this.repository.count(tx, tenantId)) > MAX_OVERRIDES)
          throw invalidField(
            'model',
            `would be more than the ${MAX_OVERRIDES} models that a tenant can describe; reset one`,
          );
      }
      await this.events.publish(tx, {
        action: reset ? 'model.reset' : 'model.updated',
        actor: auditActor(principal),
        tenantId,
        resource: { type: 'model', id: model },
        details: detailsOf(said),
      });
    });
    this.tenantModels.forget(tenantId);
    return this.view(tenantId, model, await this.ownerOf(tenantId, model));
  }

  /** Of a model that is unknown to us, the tenant must say how large it is. */
  private assertWhole({ model, contextTokens, maxOutputTokens }: UpdateModelRequest, names: readonly string[]): void {
    if (this.known.find(model) !== null || names.includes(model)) return;
    if (contextTokens === undefined)
      throw invalidField('contextTokens', 'is required for a model that is not built in');
    if (maxOutputTokens === undefined)
      throw invalidField('maxOutputTokens', 'is required for a model that is not built in');
  }

  private async view(tenantId: string, model: string, owner: string): Promise<ModelView> {
    const facts = (await this.tenantModels.of(tenantId)).find(model);
    const overridden = (await this.tenantModels.namesOf(tenantId)).includes(model);
    return viewModel({ id: model, owned_by: owner }, await this.targetsOf(tenantId, model), facts, overridden);
  }

  private async targetsOf(tenantId: string, model: string): Promise<ModelView['targets']> {
    const route = await orNull(async () => this.router.routeOf(tenantId, model));
    return (route?.targets ?? []).map((target) => ({ provider: target.provider.name, model: modelAt(target, model) }));
  }

  private async ownerOf(tenantId: string, model: string): Promise<string> {
    return (await orNull(() => this.router.getModel(tenantId, model)))?.owned_by ?? '';
  }

  /** A tenant without a provider can name none. */
  private async modelsOf(tenantId: string): Promise<readonly Model[]> {
    return (await orNull(() => this.router.listModels(tenantId))) ?? [];
  }
}

const LEADS_NOWHERE = new Set<string | undefined>(['no_provider_configured', 'route_without_provider']);

/** Null: the tenant has no provider that serves it. */
async function orNull<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Fault && (error.kind === 'not_found' || LEADS_NOWHERE.has(error.code))) return null;
    throw error;
  }
}

/** What was set, as it can be kept: JSON knows no bigint. */
function detailsOf(said: object): Readonly<Record<string, unknown>> {
  return JSON.parse(
    JSON.stringify(said, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  ) as Readonly<Record<string, unknown>>;
}
