/** Processes of the ledger with short leases, and the calls that they leave open, in a stage's database. */
import { uuidV7 } from '../../src/platform/crypto/index.js';
import { eventually } from './eventually.js';
import { reservation, type LedgerProcess } from './ledger-process.js';
import type { LedgerStage } from './ledger-stage.js';

export const TERM_SECONDS = 1;

export class LeasedProcesses {
  constructor(private readonly stage: LedgerStage) {}

  /** Starts one with timers, as the service runs it. */
  start(leaseSeconds = TERM_SECONDS): Promise<LedgerProcess> {
    return this.stage.start({ leaseSeconds, sweepSeconds: 1 }, true);
  }

  /** Starts one that renews its lease and sweeps only when the test calls it. */
  startByHand(leaseSeconds = TERM_SECONDS): Promise<LedgerProcess> {
    return this.stage.start({ leaseSeconds, sweepSeconds: 1 });
  }

  async open(process: LedgerProcess): Promise<string> {
    const id = uuidV7();
    await process.ledger.reserve(reservation({ id }));
    return id;
  }

  async stateOf(id: string): Promise<string> {
    return (await this.stage.rows(id))[0]!.state;
  }

  swept(id: string): Promise<void> {
    return eventually(async () => (await this.stateOf(id)) === 'SWEPT');
  }
}
