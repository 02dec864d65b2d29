import type { Auth, UserRecord } from 'firebase-admin/auth';
import { ClaimsWriter, UnknownUserError, mergeClaims, type DashboardClaims } from '../claims-writer.js';
import { Deadline } from '../deadline.js';
import type { FirebaseAdmin } from './firebase-admin.js';

/** Shorter than the outbox's wait before the next try. */
const TIMEOUT_MS = 10_000;

/**
 * Writes claims through firebase-admin.
 *
 * `setCustomUserClaims` replaces all claims of a user, so each write first reads them and keeps the others. Firebase has no
 * protection against two writers: in this process, ClaimWrites sends a user's writes one after the other. A write that ran out
 * of time may still arrive; the outbox then writes again.
 */
export class FirebaseClaimsWriter extends ClaimsWriter {
  /** @param timeoutMs for a whole write: both of its calls, and the access token that they need */
  constructor(
    private readonly firebase: FirebaseAdmin,
    private readonly timeoutMs = TIMEOUT_MS,
  ) {
    super();
  }

  /** @throws UnknownUserError; Fault unavailable after the timeout; Error of the service account or of Firebase */
  async setClaims(userId: string, claims: DashboardClaims | null): Promise<void> {
    const deadline = new Deadline(this.timeoutMs, 'Firebase did not answer in time.');
    try {
      const auth = await deadline.race(this.firebase.auth());
      const user = await deadline.race(getUser(auth, userId));
      await deadline.race(auth.setCustomUserClaims(userId, mergeClaims(user.customClaims, claims)));
    } finally {
      deadline.clear();
    }
  }
}

async function getUser(auth: Auth, userId: string): Promise<UserRecord> {
  try {
    return await auth.getUser(userId);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'auth/user-not-found') throw new UnknownUserError({ cause: error });
    throw error;
  }
}
