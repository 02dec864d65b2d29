import type { Auth, UserRecord } from 'firebase-admin/auth';
import { ClaimsWriter, UnknownUserError, mergeClaims, type DashboardClaims } from '../claims-writer.js';
import { Deadline } from '../deadline.js';
import type { FirebaseAdmin } from './firebase-admin.js';

/** Less than an outbox waits before it asks again. */
const TIMEOUT_MS = 10_000;

/**
 * Writes claims through firebase-admin.
 *
 * `setCustomUserClaims` replaces all claims of a user, so each write reads them first and keeps what is not ours. In this
 * process ClaimWrites starts a user's writes one after the other, so that none reads what another is about to replace;
 * Firebase offers nothing against a writer elsewhere. A write that was given up for time may still arrive: its outcome is
 * unknown, and the outbox writes again.
 */
export class FirebaseClaimsWriter extends ClaimsWriter {
  /** @param timeoutMs for one write as a whole: both of its calls, and the token that they need */
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
