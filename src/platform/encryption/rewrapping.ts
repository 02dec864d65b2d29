import { EnvelopeError } from '../crypto/index.js';
import { logger } from '../logging/index.js';

/** What is stored under an older encryption key, and how one of it is moved to the newest. */
export interface Rewrapping<Stored extends { readonly tenantId: string }> {
  /** As the log calls it. */
  readonly what: string;
  /** Those after a stored one, in a fixed order; null: from the first. */
  find(after: Stored | null): Promise<readonly Stored[]>;
  /** @throws EnvelopeError: it can't be read, and stays as it is */
  move(stored: Stored): Promise<void>;
}

export interface Rewrapped {
  readonly moved: number;
  /** Those that stay, since they can't be read. */
  readonly unreadable: number;
}

/**
 * Moves everything to the newest encryption key, one after another, each for good. Stopped half-way, or run by several at
 * once, the next process goes on with it.
 */
export async function rewrapAll<Stored extends { readonly tenantId: string }>(
  rewrapping: Rewrapping<Stored>,
  stopping: AbortSignal,
): Promise<Rewrapped> {
  let [moved, unreadable] = [0, 0];
  let batch = await rewrapping.find(null);
  while (batch.length > 0) {
    for (const stored of batch) {
      if (stopping.aborted) return { moved, unreadable };
      if (await isMoved(rewrapping, stored)) moved += 1;
      else unreadable += 1;
    }
    batch = await rewrapping.find(batch.at(-1) ?? null);
  }
  return { moved, unreadable };
}

async function isMoved<Stored extends { readonly tenantId: string }>(
  rewrapping: Rewrapping<Stored>,
  stored: Stored,
): Promise<boolean> {
  try {
    await rewrapping.move(stored);
    return true;
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    logger.error(
      { err: error, tenantId: stored.tenantId },
      `${rewrapping.what} could not be moved to the newest encryption key.`,
    );
    return false;
  }
}
