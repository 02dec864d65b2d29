import type { PepperedHash } from '../platform/crypto/index.js';
import type { Database, NamedStatement } from '../platform/database/index.js';
import { logger } from '../platform/logging/index.js';

/** Where a secret was found. */
interface HashedRow {
  readonly hash: Buffer;
  readonly pepper_version: number;
}

/**
 * Stores a secret that was just found under the newest pepper, if it is not yet. The secret is good either way; if this write
 * fails, the next look-up tries again.
 *
 * @param rehash takes the hash as it is, the new one and its pepper's version
 * @param candidates the newest first
 * @param names by which the log tells the secret
 */
export function moveToCurrentPepper(
  database: Database,
  rehash: NamedStatement,
  row: HashedRow,
  candidates: readonly PepperedHash[],
  names: Readonly<Record<string, string>>,
): void {
  const current = candidates[0];
  // Never back to an older one: replicas that are being configured anew may disagree which is the newest.
  if (current === undefined || current.version <= row.pepper_version) return;
  database
    .call(rehash, [row.hash, current.hash, current.version])
    .catch((error: unknown) =>
      logger.warn({ err: error, ...names }, 'A secret could not be moved to the current pepper.'),
    );
}
