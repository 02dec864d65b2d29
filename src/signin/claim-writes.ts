import { Injectable } from '@nestjs/common';
import { Jobs, type RepeatingJob } from '../platform/jobs/index.js';
import { logger } from '../platform/logging/index.js';
import { ClaimWritesRepository, type QueuedClaims } from './claim-writes.repository.js';
import { ClaimsWriter, UnknownUserError } from './claims-writer.js';

const POLL_EVERY_MS = 5000;
const BATCH = 20;
/** How long an answer waits for the issuer. */
const NOW_WITHIN_MS = 3000;

/**
 * Brings claims from an outbox to the dashboard's issuer, until it has taken them. Claims are a hint for clients, and rights
 * come from our membership rows: so a late claim locks no user out.
 *
 * A user has at most one row, and a later write replaces it. In this process a user's writes follow each other, and a replaced
 * one never begins. A write of another process, or one that timed out, may still arrive late; the next change corrects it.
 */
@Injectable()
export class ClaimWrites {
  /** Reads the outbox. */
  readonly polling: RepeatingJob;
  /** The last write of each user with a write waiting or under way. */
  private readonly lastByUser = new Map<string, Promise<void>>();

  constructor(
    private readonly repository: ClaimWritesRepository,
    private readonly writer: ClaimsWriter,
    jobs: Jobs,
  ) {
    this.polling = jobs.repeat({
      failure: 'The outbox of claims could not be read.',
      everyMs: POLL_EVERY_MS,
      run: () => this.poll(),
    });
  }

  /**
   * Tries once, for a bounded time, so that the person's next token usually has the claims; the outbox
   * retries. Null: nothing was queued.
   */
  async writeNow(queued: QueuedClaims | null): Promise<void> {
    if (queued === null) return;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, NOW_WITHIN_MS);
    });
    await Promise.race([this.write(queued, 0), tooLate]);
    clearTimeout(timer);
  }

  private async poll(): Promise<void> {
    for (const queued of await this.repository.take(BATCH)) await this.write(queued, queued.attempts);
  }

  /** Waits for the user's earlier writes. Never rejects. */
  private async write({ id, userId }: QueuedClaims, attempts: number): Promise<void> {
    const write = (this.lastByUser.get(userId) ?? Promise.resolve()).then(() => this.attempt(id, userId, attempts));
    this.lastByUser.set(userId, write);
    await write;
    if (this.lastByUser.get(userId) === write) this.lastByUser.delete(userId);
  }

  private async attempt(id: string, userId: string, attempts: number): Promise<void> {
    try {
      const found = await this.repository.find(id);
      if (found === null) return;
      await this.writer.setClaims(userId, found.claims).catch((error: unknown) => {
        // The user does not exist and never will, since ids are not reused.
        if (!(error instanceof UnknownUserError)) throw error;
        logger.warn({ err: error }, 'Claims were dropped.');
      });
      await this.repository.finish(id);
    } catch (error) {
      logger.warn({ err: error, attempts }, 'Claims could not be written yet; they are tried again.');
    }
  }
}
