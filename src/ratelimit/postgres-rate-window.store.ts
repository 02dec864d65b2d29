import { GroupCommit, type Database } from '../platform/database/index.js';
import { RateWindowStore, type RateWindow } from './rate-window.store.js';

const TAKE = {
  name: 'take_rate_windows',
  text: 'SELECT * FROM take_rate_windows($1, $2, $3, make_interval(secs => $4))',
};
const PRUNE = { name: 'prune_rate_windows', text: 'SELECT prune_rate_windows(make_interval(secs => $1))' };

interface Wanted {
  readonly key: string;
  readonly limit: number;
}

interface TakenRow {
  readonly key: string;
  readonly before: number;
  readonly used: number;
  readonly resets_at: Date;
}

/**
 * Windows in Postgres, shared by all replicas. Requests that come together are counted by one statement: for each key
 * how many want a place; those that came first get what there is. The table is unlogged, so that counting waits for no
 * disk; a crash of Postgres forgets at most the current window.
 */
export class PostgresRateWindowStore extends RateWindowStore {
  private readonly takes: GroupCommit<Wanted, RateWindow>;

  constructor(
    private readonly database: Database,
    private readonly windowSeconds: number,
  ) {
    super();
    this.takes = new GroupCommit({
      what: 'The request counter',
      maxItems: 1000,
      waitMs: 3000,
      run: (items) => this.takeTogether(items),
    });
  }

  take(key: string, limit: number): Promise<RateWindow> {
    return this.takes.add({ key, limit });
  }

  async prune(): Promise<void> {
    await this.database.call(PRUNE, [this.windowSeconds]);
  }

  private async takeTogether(items: readonly Wanted[]): Promise<readonly RateWindow[]> {
    const wanted = new Map<string, { limit: number; count: number }>();
    for (const { key, limit } of items) {
      const group = wanted.get(key);
      if (group === undefined) wanted.set(key, { limit, count: 1 });
      else {
        group.count += 1;
        // A limit that was just changed: the lower of the two, so that no request gets in by the old one.
        group.limit = Math.min(group.limit, limit);
      }
    }
    const groups = [...wanted.values()];
    const rows = await this.database.call<TakenRow>(TAKE, [
      [...wanted.keys()],
      groups.map(({ count }) => count),
      groups.map(({ limit }) => limit),
      this.windowSeconds,
    ]);
    const taken = new Map(
      rows.map((row) => [row.key, { ...row, next: row.before, resetsAtMs: row.resets_at.getTime() }]),
    );
    return items.map(({ key, limit }) => {
      const row = taken.get(key);
      if (row === undefined) throw new TypeError('The request counter did not answer for a key.');
      const allowed = row.next < row.used;
      if (allowed) row.next += 1;
      return {
        allowed,
        limit,
        remaining: Math.max(0, limit - (allowed ? row.next : row.used)),
        resetsAtMs: row.resetsAtMs,
      };
    });
  }
}
