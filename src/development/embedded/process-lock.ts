import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import { EmbeddedPostgresError } from './embedded-postgres.error.js';
import { parseJson, readIfThere } from './files.js';
import { findProcessStart } from './process-start.js';

/**
 * Guarantees that one living process at most holds `file`. A lock appears whole (by link) or not at all; it counts only
 * while its process lives and is the one that took it, as pids are used again. A stale lock is replaced under a lock of
 * its own, so that two who find it stale at once cannot both win.
 */
export async function takeLock(file: string, directory: string): Promise<() => Promise<void>> {
  const mine = JSON.stringify({ pid: process.pid, startedAt: await findProcessStart(process.pid) });
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  await fs.writeFile(draft, mine, { mode: 0o600 });
  const release = async (): Promise<void> => {
    if ((await readIfThere(file)) === mine) await fs.rm(file, { force: true });
  };
  try {
    for (;;) {
      const taken = await fs.link(draft, file).then(
        () => true,
        (error: unknown) => {
          if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
          throw error;
        },
      );
      if (taken) return release;
      if (!(await isStale(file, directory))) continue;
      const endTakeover = await takeLock(`${file}.takeover`, directory);
      try {
        if (!(await isStale(file, directory))) continue;
        await fs.rename(draft, file);
        return release;
      } finally {
        await endTakeover();
      }
    }
  } finally {
    await fs.rm(draft, { force: true });
  }
}

/** True: its process is gone. False: the lock itself is. Throws when its process lives. */
async function isStale(file: string, directory: string): Promise<boolean> {
  const text = await readIfThere(file);
  if (text === null) return false;
  const { pid, startedAt } = parseJson<{ pid?: number; startedAt?: string }>(text) ?? {};
  const running = pid === undefined ? null : await findProcessStart(pid);
  if (running === null || running !== startedAt) return true;
  throw new EmbeddedPostgresError(`Another Gatehouse (process ${pid}) is already using ${directory}.`);
}
