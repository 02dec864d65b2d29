/** How the connections to Postgres are divided. */
import type { Settings } from '../config/index.js';
import type { FairTurnsOptions } from '../shares/index.js';

/** Of the calls' connections, for look-ups of credentials that are not known here: the others are always left to calls. */
const LOOK_UPS_PART = 1 / 3;
const LOOK_UP_WAIT_MS = 3000;

/** No tenant and no org takes every connection of several, whatever the settings say. */
export function shareOf(settings: Settings): FairTurnsOptions {
  const ofOrg = Math.max(1, Math.min(settings.orgQueries, settings.databasePoolSize - 1));
  return {
    what: 'queries',
    most: settings.databasePoolSize,
    ofOrg,
    ofTenant: Math.min(settings.tenantQueries, ofOrg),
    waitingOfTenant: settings.tenantQueriesWaiting,
    waitMs: settings.queryWaitMs,
    restingFrom: settings.tenantQueriesRestingFrom,
    ofTenantSetting: 'GATEHOUSE_TENANT_QUERIES',
    ofOrgSetting: 'GATEHOUSE_ORG_QUERIES',
    allSetting: 'DATABASE_POOL_SIZE',
  };
}

/** One line for all: nothing is known of who asks. */
export function lookUpsOf({ databaseCallsPoolSize }: Settings): FairTurnsOptions {
  const most = Math.max(1, Math.floor(databaseCallsPoolSize * LOOK_UPS_PART));
  return {
    what: 'look-ups of credentials',
    most,
    ofOrg: most + 1,
    ofTenant: most + 1,
    waitingOfTenant: Infinity,
    waitMs: LOOK_UP_WAIT_MS,
    ofTenantSetting: 'DATABASE_CALLS_POOL_SIZE',
    ofOrgSetting: 'DATABASE_CALLS_POOL_SIZE',
    allSetting: 'DATABASE_CALLS_POOL_SIZE',
  };
}
