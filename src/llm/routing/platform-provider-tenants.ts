import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';

/** The operator's word for every tenant; no tenant's id is like it. */
const ALL = '*';

/**
 * The tenants that may spend the platform's own provider credentials: those that the operator names, or `*` for all of
 * them, and in development the quickstart tenant, which is known only after boot. No other calls go out on the platform's
 * money.
 */
@Injectable()
export class PlatformProviderTenants {
  private readonly tenants: Set<string>;

  constructor(@Inject(SETTINGS_TOKEN) settings: Pick<Settings, 'platformProviderTenants'>) {
    this.tenants = new Set(settings.platformProviderTenants);
  }

  allow(tenantId: string): void {
    this.tenants.add(tenantId);
  }

  has(tenantId: string): boolean {
    return this.tenants.has(ALL) || this.tenants.has(tenantId);
  }
}
