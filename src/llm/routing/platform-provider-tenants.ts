import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';

/**
 * The tenants that may spend the platform's own provider credentials: those that the operator names, and in development
 * the quickstart tenant, which is known only after boot. Nobody else's calls go out on the platform's money.
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
    return this.tenants.has(tenantId);
  }
}
