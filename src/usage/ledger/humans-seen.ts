import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { LastUses } from '../../keys/index.js';
import { Database, Revocations } from '../../platform/database/index.js';
import { Jobs } from '../../platform/jobs/index.js';
import { UsageLedger } from './usage-ledger.js';

const TOUCH = { name: 'touch_humans', text: 'SELECT touch_humans($1, $2)' };

/** Records when humans last made a call, by the database's clock; written for many at once, so that calls need not wait. */
@Injectable()
export class HumansSeen implements BeforeApplicationShutdown {
  private readonly lastUses: LastUses;

  constructor(ledger: UsageLedger, database: Database, revocations: Revocations, jobs: Jobs) {
    this.lastUses = new LastUses(database, jobs, TOUCH, 'When humans were last seen could not be written.');
    // A tenant's id has no colon.
    ledger.tellAdmitted((tenantId, human) => this.lastUses.set(`${tenantId}:${human}`, revocations.databaseNow()));
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.lastUses.stop();
  }
}
