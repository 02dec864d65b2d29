import type { PepperedHash } from '../platform/crypto/index.js';
import type { Database, NamedStatement } from '../platform/database/index.js';
import { logger } from '../platform/logging/index.js';

/** The row in which a secret was found. */
interface HashedRow {
  readonly hash: Buffer;
  readonly pepper_version: number;
}

/**
 * Stores a secret that was just found under the newest pepper, if it is under an older one. The secret is good either way; if
 * this write fails, the next look-up tries again.
 *
 * @param rehash takes the old hash, the new hash and the version of its pepper
 * @param candidates newest first
 * @param names identify the secret in the log
 */
export function moveToCurrentPepper(
  database: Database,
  rehash: NamedStatement,
  row: HashedRow,
  candidates: readonly PepperedHash[],
  names: Readonly<Record<string, string>>,
): void {
  const current = candidates[0];
  // Never back to an older pepper: while replicas are configured anew, they may disagree about the newest one.
  if (current === undefined || current.version <= row.pepper_version) return;
  database
    .call(rehash, [row.hash, current.hash, current.version])
    .catch((error: unknown) =>
      logger.warn({ err: error, ...names }, 'A secret could not be moved to the current pepper.'),
    );
}
