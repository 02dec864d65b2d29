import { Fault } from '../errors/index.js';

/** Whose shares a piece of work uses. */
export interface ShareOwner {
  readonly tenantId: string;
  readonly orgId: string;
  /** It is the service's own work, which is bounded by itself. */
  readonly isService?: true;
}

/** What is shared, and the settings that divide it, as refusals name them. */
export interface ShareNames {
  /** In the plural: `calls to providers`. */
  readonly what: string;
  readonly ofTenantSetting: string;
  readonly ofOrgSetting: string;
  readonly allSetting: string;
}

/** A share as metrics show it. */
export interface ShareState {
  readonly most: number;
  readonly taken: number;
  readonly waiting: number;
  /** Parts of tenants that pause, since many of theirs wait. Absent: there are no pauses. */
  readonly resting?: number;
  /** Since the start. */
  readonly refused: number;
}

/** The bound that was reached. */
export type ShareBound = 'tenant' | 'org' | 'all';

/** 429 where the caller's own share is full, 503 where the whole is full. */
export function shareIsFull(
  bound: ShareBound,
  { what, ofTenantSetting, ofOrgSetting, allSetting }: ShareNames,
  retryAfterSeconds: number,
): Fault {
  if (bound === 'all') {
    return new Fault(
      'unavailable',
      `This process has no room for more ${what}; try again shortly. The operator sets this limit by ${allSetting}.`,
      { retryAfterSeconds },
    );
  }
  const setting = bound === 'tenant' ? ofTenantSetting : ofOrgSetting;
  return new Fault(
    'rate_limited',
    `Your ${bound} has as many ${what} under way as one ${bound} may have; wait until some of them end. The operator sets this ` +
      `limit by ${setting}.`,
    { code: 'concurrency_limit_exceeded', retryAfterSeconds },
  );
}
