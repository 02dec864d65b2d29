import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { logger } from '../platform/logging/index.js';
import { ClaimsWriter, UnknownUserError } from './claims-writer.js';
import { OrgsRepository, type ClaimWrite } from './orgs.repository.js';

const POLL_EVERY_MS = 5000;
const BATCH = 20;
/** How long the answer to `orgs/create` waits for the issuer. */
const NOW_WITHIN_MS = 3000;

/**
 * Brings claims to the dashboard's issuer from an outbox, until the issuer has taken them. Claims are a hint for clients:
 * what a person may do, our membership rows say, so that a claim that is late locks nobody out.
 */
@Injectable()
export class ClaimWrites implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | null = null;
  private polling: Promise<void> | null = null;

  constructor(
    private readonly repository: OrgsRepository,
    private readonly writer: ClaimsWriter,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.polling ??= this.poll().finally(() => {
        this.polling = null;
      });
    }, POLL_EVERY_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    await this.polling;
  }

  /** One try, bounded in time, so that the person's next token usually has the claims; the outbox has the rest. */
  async writeNow(write: ClaimWrite): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, NOW_WITHIN_MS);
    });
    await Promise.race([this.write(write), tooLate]);
    clearTimeout(timer);
  }

  private async poll(): Promise<void> {
    try {
      for (const write of await this.repository.takeClaimWrites(BATCH)) await this.write(write);
    } catch (error) {
      logger.warn({ err: error }, 'The outbox of claims could not be read.');
    }
  }

  private async write(write: ClaimWrite): Promise<void> {
    try {
      await this.writer.setClaims(write.user_id, write.claims).catch((error: unknown) => {
        // Nobody is there to have claims, nor will be: ids are never given twice.
        if (!(error instanceof UnknownUserError)) throw error;
        logger.warn({ err: error }, 'Claims were dropped.');
      });
      await this.repository.finishClaimWrite(write.id);
    } catch (error) {
      logger.warn({ err: error, attempts: write.attempts }, 'Claims could not be written yet; they are tried again.');
    }
  }
}
