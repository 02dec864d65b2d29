import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EmbeddedClusters, answerOf, query, refusalOf } from '../../../test/support/embedded-clusters.js';

let clusters: EmbeddedClusters;

beforeEach(async () => {
  clusters = await EmbeddedClusters.create();
});

afterEach(async () => {
  await clusters.remove();
});

/** The lock of a dead process whose id another process has now. */
async function leaveStaleLock(): Promise<void> {
  await mkdir(clusters.directory, { mode: 0o711 });
  const lock = { pid: process.ppid, startedAt: 'another time' };
  await writeFile(path.join(clusters.directory, 'lock'), JSON.stringify(lock));
}

describe('two at once', () => {
  it('refuses a second Gatehouse with one sentence that names the first, until that has stopped', async () => {
    const first = await clusters.start();
    const sentence = `Another Gatehouse (process ${process.pid}) is already using ${clusters.directory}.`;

    expect(await answerOf(clusters.launch())).toEqual({ refused: sentence, name: 'EmbeddedPostgresError' });
    expect((await refusalOf(clusters.start())).message).toBe(sentence);
    expect(await query(first.ownerUrl, 'SELECT current_database() AS name')).toEqual([{ name: 'gatehouse' }]);

    await first.stop();
    expect((await answerOf(clusters.launch())).ownerUrl).toBe(first.ownerUrl);
  });

  it('is not misled by the lock of a dead process whose id another process has now', async () => {
    await leaveStaleLock();

    expect((await clusters.start()).reused).toBe(false);
  });

  it('gives a folder with a stale lock to exactly one of several', async () => {
    await leaveStaleLock();

    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => clusters.start()));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(String(outcome.reason)).toContain('Another Gatehouse (process');
    }
  });
});
