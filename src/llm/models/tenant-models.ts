import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Database, RevocableCache, Revocations } from '../../platform/database/index.js';
import {
  KnownModels,
  MUST_BE_WRITTEN,
  TENANTS,
  UNASKED,
  type ModelFacts,
  type ModelFactsByName,
  type ModelPrice,
} from './model-facts.js';

const FIND = { name: 'find_model_overrides', text: 'SELECT * FROM find_model_overrides($1)' };

/** What a tenant says of a model; null: as built in. */
interface OverrideRow {
  readonly model: string;
  readonly context_tokens: number | null;
  readonly max_output_tokens: number | null;
  readonly hides_reasoning: boolean | null;
  readonly input_pico_usd: string | null;
  readonly cached_input_pico_usd: string | null;
  readonly cache_write_pico_usd: string | null;
  readonly output_pico_usd: string | null;
  readonly price_as_of: string | null;
}

interface OfTenant {
  readonly tenantId: string;
  readonly models: ModelFactsByName;
  readonly names: readonly string[];
}

/**
 * What is known of models to one tenant: its own words, by the exact name, before the operator's and the built-in ones. A
 * change holds on every replica within 1 s; with the cache warm a call costs no query.
 */
@Injectable()
export class TenantModels {
  private readonly cache: RevocableCache<OfTenant, string>;

  constructor(
    private readonly known: KnownModels,
    private readonly database: Database,
    revocations: Revocations,
    @Inject(SETTINGS_TOKEN) settings: Pick<Settings, 'credentialCacheEntries'>,
  ) {
    this.cache = new RevocableCache({
      revocations,
      maxEntries: settings.credentialCacheEntries,
      load: (tenantId: string) => this.load(tenantId),
      topics: { 'model-overrides': ({ tenantId }) => tenantId },
    });
  }

  /** @throws Fault unavailable */
  of(tenantId: string): ModelFactsByName | Promise<ModelFactsByName> {
    const found = this.cache.get(tenantId, tenantId);
    return found instanceof Promise ? found.then((of) => of?.models ?? this.known) : found.models;
  }

  /** The models of which the tenant says something, by name. */
  async namesOf(tenantId: string): Promise<readonly string[]> {
    return (await this.cache.get(tenantId, tenantId))?.names ?? [];
  }

  /** After a change, so that its own replica shows it at once. */
  forget(tenantId: string): void {
    this.cache.forget(tenantId);
  }

  private async load(tenantId: string): Promise<OfTenant> {
    const rows = await this.database.call<OverrideRow & Record<string, unknown>>(FIND, [tenantId]);
    if (rows.length === 0) return { tenantId, models: this.known, names: [] };
    const own = new Map(rows.map((row) => [row.model, overridden(row, this.known.find(row.model))]));
    const models: ModelFactsByName = { find: (model) => own.get(model) ?? this.known.find(model) };
    return { tenantId, models, names: [...own.keys()] };
  }
}

const UNKNOWN = { family: 'unknown', outputField: 'max_tokens', price: null } as const;

/** A provider does not enforce what a tenant says of a model: the limit counts only where it is written into the request. */
function overridden(row: OverrideRow, built: ModelFacts | null): ModelFacts {
  const { model, context_tokens: context, max_output_tokens: output, hides_reasoning: hides } = row;
  const facts = built ?? UNKNOWN;
  const contextTokens = context ?? built?.contextTokens ?? output ?? 1;
  return {
    ...facts,
    id: model,
    contextTokens,
    maxOutputTokens: output ?? built?.maxOutputTokens ?? contextTokens,
    price: priceIn(row) ?? facts.price,
    ...(output === null && built !== null ? {} : MUST_BE_WRITTEN),
    ...(hides === null ? {} : { reasoning: hides ? 'hidden' : 'shown' }),
  };
}

function priceIn(row: OverrideRow): ModelPrice | null {
  const { input_pico_usd: input, cached_input_pico_usd: cached, cache_write_pico_usd: written } = row;
  const { output_pico_usd: output, price_as_of: asOf } = row;
  if (input === null || output === null) return null;
  return {
    inputPicoUsd: BigInt(input),
    cachedInputPicoUsd: BigInt(cached ?? input),
    ...(written === null ? {} : { cacheWritePicoUsd: BigInt(written), ...UNASKED }),
    outputPicoUsd: BigInt(output),
    asOf: asOf ?? '',
    source: TENANTS,
  };
}
