import { Places, type ShareOwner } from '../../platform/shares/index.js';

/** Of the late calls of a process: what one tenant, or one org, may have. */
const PART_OF_ONE = 1 / 2;

/**
 * Places for calls whose provider is waited for although the caller already has an answer, or has gone: only what the
 * provider answers yet tells what was used. Each holds a connection, so that the places are few: a provider that hangs
 * must not take all connections, nor one tenant all of these places.
 */
export class LateCalls {
  private readonly places: Places;

  constructor(most: number) {
    const ofOne = Math.ceil(most * PART_OF_ONE);
    const setting = 'GATEHOUSE_PROVIDER_CALLS';
    this.places = new Places({
      what: 'late calls',
      most,
      ofTenant: ofOne,
      ofOrg: ofOne,
      ofTenantSetting: setting,
      ofOrgSetting: setting,
      allSetting: setting,
    });
  }

  /** @returns false: every place that the tenant may have is taken */
  admit(owner: ShareOwner): boolean {
    return this.places.takeIfFree(owner);
  }

  leave(owner: ShareOwner): void {
    this.places.leave(owner);
  }
}
