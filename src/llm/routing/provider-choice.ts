import type { TenantProvider } from '../connections/tenant-providers.js';
import { DUMMY_MODEL } from '../providers/dummy/dummy.provider.js';
import type { Provider } from '../providers/provider.js';

/** Where a tenant's calls can go. */
export interface Choices {
  /** In the order in which the tenant set them up. */
  readonly own: readonly TenantProvider[];
  /** Null: none, or the tenant may not use it. */
  readonly platform: Provider | null;
  readonly dummy: Provider | null;
}

/**
 * Which provider a model's call goes to: the tenant's own that names the model among its `models`; else one that lists it,
 * the tenant's own first; else an own one, which judges the name. One that keeps no list may serve anything, and so comes
 * before the platform's.
 *
 * @returns null: none takes this model
 */
export function chooseProvider({ own, platform, dummy }: Choices, model: string): Provider | null {
  const named = own.find(({ models }) => models.includes(model));
  if (named !== undefined) return named.provider;
  if (dummy !== null && model === DUMMY_MODEL) return dummy;
  const open = openOnes(own);
  return (
    open.find(({ catalogue }) => catalogue.lists(model) === true) ??
    open.find(({ catalogue }) => catalogue.lists(model) === null) ??
    (platform?.catalogue.lists(model) === true ? platform : (open[0] ?? platform ?? dummy))
  );
}

/** The providers whose lists must be known before one is chosen: none where there is no choice. */
export function undecided({ own, platform, dummy }: Choices, model: string): readonly Provider[] {
  if (own.some(({ models }) => models.includes(model))) return [];
  if (dummy !== null && model === DUMMY_MODEL) return [];
  const open = openOnes(own);
  const all = platform === null ? open : [...open, platform];
  return open.length === 0 || all.length === 1 ? [] : all.filter(({ catalogue }) => catalogue.isUnheard);
}

function openOnes(own: readonly TenantProvider[]): Provider[] {
  return own.filter(({ models }) => models.length === 0).map(({ provider }) => provider);
}
