/** A database with a ledger's tenant, and the processes that a test starts on it: new ones for each test of a spec. */
import { ledgerRows, makeLedgerTenant, startLedgerProcess, type LedgerProcess } from './ledger-process.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';

export class LedgerStage {
  private opened: TestDatabase | undefined;
  private readonly running: LedgerProcess[] = [];

  /** Called at the top of a spec. */
  static forEachTest(): LedgerStage {
    const stage = new LedgerStage();
    beforeEach(async () => {
      stage.opened = await createTestDatabase();
      await makeLedgerTenant(stage.opened.superuserUrl);
    });
    afterEach(async () => {
      for (const one of stage.running.splice(0)) await one.stop();
      await stage.database.drop();
    });
    return stage;
  }

  get database(): TestDatabase {
    if (this.opened === undefined) throw new Error('No test runs yet.');
    return this.opened;
  }

  /** @param run with timers, as the service runs it; otherwise the test renews its lease and sweeps */
  async start(overrides?: Parameters<typeof startLedgerProcess>[1], run?: boolean): Promise<LedgerProcess> {
    const started = await startLedgerProcess(this.database.ownerUrl, overrides, run);
    this.running.push(started);
    return started;
  }

  rows(id: string): ReturnType<typeof ledgerRows> {
    return ledgerRows(this.database.superuserUrl, id);
  }
}
