import type { UserRecord } from 'firebase-admin/auth';
import type { Settings } from '../../platform/config/index.js';
import type { AccountStatus, AccountStatusSource } from '../account-status-source.js';
import { CachedAccountStatus } from '../account-status.js';
import { Deadline } from '../deadline.js';
import type { FirebaseAdmin } from './firebase-admin.js';

const TIMEOUT_MS = 5_000;

/**
 * Asks Firebase about users: one call for all of them, with one time limit. Loading firebase-admin at the first use does not
 * count against it. A call that ran out of time may still go on, but its answer is lost.
 */
export class FirebaseAccountStatus implements AccountStatusSource {
  constructor(
    private readonly firebase: FirebaseAdmin,
    private readonly timeoutMs = TIMEOUT_MS,
  ) {}

  /** @throws Fault unavailable after the time limit; Error of the service account or of Firebase */
  async lookUp(userIds: readonly string[]): Promise<ReadonlyMap<string, AccountStatus>> {
    const auth = await this.firebase.auth();
    const deadline = new Deadline(this.timeoutMs, 'Firebase did not answer in time.');
    try {
      const { users } = await deadline.race(auth.getUsers(userIds.map((uid) => ({ uid }))));
      return new Map(users.map((user) => [user.uid, statusOf(user)]));
    } finally {
      deadline.clear();
    }
  }
}

/** Says who may still use the project's tokens, with the configured check. */
export function firebaseAccounts(
  firebase: FirebaseAdmin,
  settings: Pick<Settings, 'accountCheckSeconds' | 'credentialCacheEntries'>,
): CachedAccountStatus {
  return new CachedAccountStatus({
    source: new FirebaseAccountStatus(firebase),
    believedForSeconds: settings.accountCheckSeconds,
    maxEntries: settings.credentialCacheEntries,
  });
}

function statusOf({ disabled, tokensValidAfterTime }: UserRecord): AccountStatus {
  return {
    state: disabled ? 'disabled' : 'active',
    tokensValidAfter: tokensValidAfterTime === undefined ? null : Date.parse(tokensValidAfterTime) / 1000,
  };
}
