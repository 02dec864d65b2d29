import { GroupCommit, type Database } from '../../platform/database/index.js';
import { RateWindowStore, type RateWindow } from './rate-window.store.js';

const TAKE = {
  name: 'take_rate_windows',
  text: 'SELECT * FROM take_rate_windows($1, $2, $3, make_interval(secs => $4))',
};
const PEEK = { name: 'peek_rate_windows', text: 'SELECT * FROM peek_rate_windows($1, make_interval(secs => $2))' };
const RELEASE = {
  name: 'release_rate_windows',
  text: 'SELECT release_rate_windows($1, $2, $3, make_interval(secs => $4))',
};
const PRUNE = { name: 'prune_rate_windows', text: 'SELECT prune_rate_windows(make_interval(secs => $1))' };

const GROUPED = { what: 'The request counter', maxItems: 1000, waitMs: 3000 };

interface Wanted {
  readonly key: string;
  readonly limit: number;
}

interface Given {
  readonly key: string;
  readonly resetsAtMs: number;
}

interface OpenRow {
  readonly key: string;
  readonly used: number;
  readonly resets_at: Date;
}

interface TakenRow extends OpenRow {
  readonly before: number;
}

/**
 * Windows in Postgres, shared by all replicas. One statement counts the requests that come together: how many places each
 * key wants, granted in order of arrival. The table is unlogged, so that counting waits for no disk; a crash of Postgres
 * loses at most the current windows.
 */
export class PostgresRateWindowStore extends RateWindowStore {
  private readonly takes: GroupCommit<Wanted, RateWindow>;
  private readonly peeks: GroupCommit<Wanted, RateWindow>;
  private readonly releases: GroupCommit<Given, undefined>;

  constructor(
    private readonly database: Database,
    private readonly windowSeconds: number,
  ) {
    super();
    this.takes = new GroupCommit({ ...GROUPED, run: (items) => this.takeTogether(items) });
    this.peeks = new GroupCommit({ ...GROUPED, run: (items) => this.peekTogether(items) });
    this.releases = new GroupCommit({ ...GROUPED, run: (items) => this.releaseTogether(items) });
  }

  take(key: string, limit: number): Promise<RateWindow> {
    return this.takes.add({ key, limit });
  }

  peek(key: string, limit: number): Promise<RateWindow> {
    return this.peeks.add({ key, limit });
  }

  release(key: string, { resetsAtMs }: RateWindow): Promise<void> {
    return this.releases.add({ key, resetsAtMs });
  }

  async prune(): Promise<void> {
    await this.database.callAside(PRUNE, [this.windowSeconds]);
  }

  private async takeTogether(items: readonly Wanted[]): Promise<readonly RateWindow[]> {
    const wanted = new Map<string, { limit: number; count: number }>();
    for (const { key, limit } of items) {
      const group = wanted.get(key);
      if (group === undefined) wanted.set(key, { limit, count: 1 });
      else {
        group.count += 1;
        // The limit has just changed: the lower one counts, so that no request passes by the old one.
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
      const row = rowOf(taken, key);
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

  private async peekTogether(items: readonly Wanted[]): Promise<readonly RateWindow[]> {
    const keys = [...new Set(items.map(({ key }) => key))];
    const rows = await this.database.call<OpenRow>(PEEK, [keys, this.windowSeconds]);
    const seen = new Map(rows.map((row) => [row.key, row]));
    return items.map(({ key, limit }) => {
      const { used, resets_at } = rowOf(seen, key);
      const remaining = Math.max(0, limit - used);
      return { allowed: remaining > 0, limit, remaining, resetsAtMs: resets_at.getTime() };
    });
  }

  /** Grouped by key and window: if a window has just closed, a key's places belong to two windows. */
  private async releaseTogether(items: readonly Given[]): Promise<readonly undefined[]> {
    const given = new Map<string, { key: string; resetsAt: Date; places: number }>();
    for (const { key, resetsAtMs } of items) {
      const group = given.get(`${resetsAtMs} ${key}`);
      if (group === undefined) given.set(`${resetsAtMs} ${key}`, { key, resetsAt: new Date(resetsAtMs), places: 1 });
      else group.places += 1;
    }
    const groups = [...given.values()];
    await this.database.call(RELEASE, [
      groups.map(({ key }) => key),
      groups.map(({ resetsAt }) => resetsAt),
      groups.map(({ places }) => places),
      this.windowSeconds,
    ]);
    return items.map(() => undefined);
  }
}

function rowOf<Row>(rows: ReadonlyMap<string, Row>, key: string): Row {
  const row = rows.get(key);
  if (row === undefined) throw new TypeError('The request counter did not answer for a key.');
  return row;
}
