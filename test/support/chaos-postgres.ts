/** A Postgres of the test's own that can be frozen, like a machine that swaps or whose disk hangs. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { migrate } from '../../src/platform/database/migrations.js';
import { EmbeddedClusters } from './embedded-clusters.js';
import type { TestDatabase } from './postgres.js';
import { rowsOf } from './sql.js';

export class FreezablePostgres {
  private frozen: number[] = [];

  private constructor(
    private readonly clusters: EmbeddedClusters,
    /** Removed together with the cluster. */
    readonly database: TestDatabase,
    private readonly postmaster: number,
  ) {}

  /** Starts it with the schema in it. */
  static async start(): Promise<FreezablePostgres> {
    const clusters = await EmbeddedClusters.create();
    try {
      const { ownerUrl, superuserUrl } = await clusters.start();
      await migrate(ownerUrl, path.join(process.cwd(), 'prisma'));
      // In the owner's database, which has the service's tables.
      const inside = new URL(superuserUrl);
      inside.pathname = new URL(ownerUrl).pathname;
      const [row] = await rowsOf<{ pid: number }>(
        inside.href,
        "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid",
      );
      const database = { ownerUrl, superuserUrl: inside.href, drop: () => Promise.resolve() };
      return new FreezablePostgres(clusters, database, row!.pid);
    } catch (error) {
      await clusters.remove();
      throw error;
    }
  }

  /** Stops every process of the cluster: connections stay open, the kernel accepts new ones, and no answer comes. */
  freeze(): void {
    // The postmaster first, so that it starts no other process while its children are stopped.
    process.kill(this.postmaster, 'SIGSTOP');
    const children = processes().flatMap(({ pid, parent }) => (parent === this.postmaster ? [pid] : []));
    for (const pid of children) process.kill(pid, 'SIGSTOP');
    this.frozen = [...children, this.postmaster];
  }

  thaw(): void {
    for (const pid of this.frozen.splice(0)) process.kill(pid, 'SIGCONT');
  }

  async remove(): Promise<void> {
    this.thaw();
    await this.clusters.remove();
  }
}

interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
}

function processes(): ProcessRow[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
    return { pid, parent };
  });
}
