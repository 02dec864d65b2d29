import { Injectable } from '@nestjs/common';
import { Database, GroupCommit } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { ProcessLease } from '../../usage/index.js';
import {
  BEGIN,
  endText,
  FINISH,
  LOAD,
  startText,
  type BeginVerdict,
  type BegunRow,
  type FinishedRow,
  type LoadedRow,
  type SealedEnd,
  type SealedStart,
} from './run-statements.js';

const MAX_BATCH = 96;
const WAIT_MS = 4000;
/** Of one thread; each holds a message and nothing else. */
const MOST_WAITING = 100;
/** What is read of a thread for one run at most; the rest is left out as if the model had no room for it. */
const MOST_HISTORY_BYTES = 8 * 1024 * 1024;
const MOST_HISTORY_MESSAGES = 2000;

export interface Begun {
  readonly verdict: BeginVerdict;
  /** The run that the same request began before. */
  readonly repeatedId: string | null;
}

export interface Ended {
  /** False: the run was this process's no more. */
  readonly ended: boolean;
  /** The run that waited for it and is now this process's to start. */
  readonly nextId: string | null;
}

/** The statements that many runs of this process issue at once, sent as one. */
@Injectable()
export class RunBatches {
  /** Told of a run whose sender was refused although it may have begun. */
  onAbandoned: (id: string) => void = () => undefined;
  private readonly begins: GroupCommit<SealedStart, Begun>;
  private readonly loads: GroupCommit<string, LoadedRow | null>;
  private readonly ends: GroupCommit<SealedEnd, Ended>;

  constructor(
    private readonly database: Database,
    private readonly lease: ProcessLease,
  ) {
    const options = { what: 'The database', maxItems: MAX_BATCH, waitMs: WAIT_MS };
    this.begins = new GroupCommit({
      ...options,
      run: (starts: readonly SealedStart[]) => this.sendBegins(starts),
      onAbandoned: ({ id }) => this.onAbandoned(id),
    });
    this.loads = new GroupCommit({ ...options, run: (ids: readonly string[]) => this.sendLoads(ids) });
    this.ends = new GroupCommit({ ...options, run: (ends: readonly SealedEnd[]) => this.sendEnds(ends) });
  }

  /** @throws Fault unavailable */
  begin(start: SealedStart): Promise<Begun> {
    return this.begins.add(start);
  }

  /**
   * @returns null: the run is not this process's
   * @throws Fault unavailable
   */
  load(id: string): Promise<LoadedRow | null> {
    return this.loads.add(id);
  }

  /** @throws Fault unavailable */
  end(end: SealedEnd): Promise<Ended> {
    return this.ends.add(end);
  }

  private async sendBegins(starts: readonly SealedStart[]): Promise<readonly Begun[]> {
    const items = starts.map(startText);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const [row] = await this.database.call<BegunRow & Record<string, unknown>>(BEGIN, [
        this.lease.id,
        items,
        MOST_WAITING,
      ]);
      if (row?.alive === true)
        return starts.map((_, index) => ({
          verdict: row.verdicts?.[index] ?? 'again',
          repeatedId: row.run_ids?.[index] ?? null,
        }));
      await this.lease.renew();
    }
    throw new Fault('unavailable', 'The database cannot be reached. Try again shortly.', {
      retryAfterSeconds: 2,
    });
  }

  private async sendLoads(ids: readonly string[]): Promise<readonly (LoadedRow | null)[]> {
    const values = [this.lease.id, ids, MOST_HISTORY_BYTES, MOST_HISTORY_MESSAGES];
    const rows = await this.database.call<LoadedRow & Record<string, unknown>>(LOAD, values);
    const byId = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id) ?? null);
  }

  private async sendEnds(ends: readonly SealedEnd[]): Promise<readonly Ended[]> {
    const values = [this.lease.id, ends.map(endText)];
    const [row] = await this.database.call<FinishedRow & Record<string, unknown>>(FINISH, values);
    return ends.map((_, index) => ({
      ended: row?.ended[index] === true,
      nextId: row?.next_ids[index] ?? null,
    }));
  }
}
