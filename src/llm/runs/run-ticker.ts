import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import { Jobs } from '../../platform/jobs/index.js';
import { ProcessLease } from '../../usage/index.js';
import type { RunRecord } from './run-record.js';
import { RunRecords } from './run-records.js';
import { deltaText, WATCH, watchText, WRITE_DELTAS, type WatchedRow } from './run-statements.js';
import { RunTexts } from './run-texts.js';
import { Runs } from './runs.service.js';

const TICK_MS = 50;
/**
 * How long a whole answer takes to the database at most: pieces that are written meanwhile would be deleted again at
 * once.
 */
const STORING_TICKS = 2;

interface Piece {
  readonly runId: string;
  readonly upTo: number;
  readonly text: string;
}

/**
 * What a process tells the others of its runs, and hears of theirs, 20 times a second: one INSERT for the new text of all its
 * runs, and one SELECT for the runs that are read here and run elsewhere, and for those of its own that shall end. A process
 * without runs and readers sends nothing.
 */
@Injectable()
export class RunTicker {
  constructor(
    private readonly database: Database,
    private readonly lease: ProcessLease,
    private readonly records: RunRecords,
    private readonly runs: Runs,
    private readonly texts: RunTexts,
    jobs: Jobs,
  ) {
    jobs.repeat({
      failure: 'What runs say could not be told to other processes.',
      everyMs: TICK_MS,
      run: () => this.write(),
    });
    // By itself: a run that was cancelled ends, however long its text takes to be written.
    jobs.repeat({
      failure: 'What other processes say of runs could not be heard.',
      everyMs: TICK_MS,
      run: () => this.hear(),
    });
  }

  private async write(): Promise<void> {
    const pieces: Piece[] = [];
    const deltas: Promise<string>[] = [];
    for (const run of this.runs.liveRuns) {
      const { record, step, storedLength, id } = run;
      const text = record?.steps[step]?.text.slice(storedLength) ?? '';
      if (record === null || text === '') continue;
      if (run.wholeTicks !== null && run.wholeTicks++ < STORING_TICKS) continue;
      pieces.push({ runId: id, upTo: storedLength + text.length, text });
      deltas.push(this.deltaOf(record, step, storedLength, text));
    }
    if (pieces.length === 0) return;
    const [row] = await this.database.call<{ lost: readonly string[] }>(WRITE_DELTAS, [
      this.lease.id,
      await Promise.all(deltas),
    ]);
    for (const { runId, upTo } of pieces) {
      const run = this.runs.find(runId);
      if (run !== null) run.storedLength = upTo;
    }
    for (const id of row?.lost ?? []) this.runs.lose(id);
  }

  private async deltaOf({ id, tenantId }: RunRecord, step: number, startAt: number, text: string): Promise<string> {
    return deltaText({ id, step, startAt, body: await this.texts.sealDelta(tenantId, id, step, startAt, text) });
  }

  private async hear(): Promise<void> {
    const { watched } = this.records;
    if (watched.length === 0 && this.runs.liveRuns.length === 0) return;
    const values = watched.map(({ id, status, currentStep, steps }) =>
      watchText(id, status, currentStep, steps[currentStep]?.text.length ?? 0),
    );
    const rows = await this.database.call<WatchedRow & Record<string, unknown>>(WATCH, [this.lease.id, values]);
    const byId = new Map(watched.map((record) => [record.id, record]));
    const changed = new Set<RunRecord>();
    for (const row of rows) {
      if (row.cancel) this.runs.find(row.id)?.cancel();
      const record = byId.get(row.id);
      if (row.cancel || record === undefined || record.isLocal) continue;
      if (row.status === 'GONE') record.setStatus('CANCELLED');
      else await this.take(record, row);
      if (row.status !== record.status || row.step !== record.currentStep) changed.add(record);
    }
    for (const record of changed) {
      if (!record.isOver && !(await this.records.fill(record))) record.setStatus('CANCELLED');
    }
  }

  private async take(record: RunRecord, { delta_step: step, start_at: startAt, body }: WatchedRow): Promise<void> {
    if (step === null || startAt === null || body === null) return;
    record.add(step, startAt, await this.texts.openDelta(record.tenantId, record.id, step, startAt, body));
  }
}
