import type { NamedStatement, Database } from '../platform/database/index.js';
import type { Jobs, RepeatingJob } from '../platform/jobs/index.js';
import { logger } from '../platform/logging/index.js';

const WRITE_EVERY_MS = 10_000;

/** Collects when credentials were last used, and writes many at once. */
export class LastUses {
  private readonly atMsById = new Map<string, number>();
  private readonly writing: RepeatingJob;

  /** @param statement takes the ids and the times */
  constructor(
    private readonly database: Database,
    jobs: Jobs,
    private readonly statement: NamedStatement,
    private readonly failure: string,
  ) {
    this.writing = jobs.repeat({ failure, everyMs: WRITE_EVERY_MS, run: () => this.write() });
  }

  set(id: string, atMs: number): void {
    this.atMsById.set(id, atMs);
  }

  async stop(): Promise<void> {
    await this.writing.stop();
    await this.write().catch((error: unknown) => logger.warn({ err: error }, this.failure));
  }

  private async write(): Promise<void> {
    if (this.atMsById.size === 0) return;
    const used = [...this.atMsById];
    this.atMsById.clear();
    await this.database.call(this.statement, [used.map(([id]) => id), used.map(([, at]) => new Date(at))]);
  }
}
