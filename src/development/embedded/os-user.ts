import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './embedded-postgres.error.js';

export interface OsUser {
  name: string;
  uid: number;
  gid: number;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Postgres refuses to run as root: it runs as the owner of the data if there are any, else as `postgres`, else as
 * `nobody`.
 */
export async function findOsUser(data: string): Promise<OsUser | null> {
  if (!isRoot()) return null;
  const found = await fs.stat(data).catch(() => null);
  if (found && found.uid !== 0) return { name: `number ${found.uid}`, uid: found.uid, gid: found.gid };
  for (const name of ['postgres', 'nobody']) {
    const ids = await Promise.all(['-u', '-g'].map((which) => promisify(execFile)('id', [which, name]))).catch(
      () => null,
    );
    if (ids) return { name, uid: Number(ids[0]?.stdout), gid: Number(ids[1]?.stdout) };
  }
  throw new EmbeddedPostgresError(
    'Postgres refuses to run as root, and this machine has no OS user postgres or nobody to run it as; set DATABASE_URL.',
  );
}

export function canReach(folder: string, { uid, gid }: OsUser): Promise<boolean> {
  return promisify(execFile)('/bin/sh', ['-c', 'cd "$0"', folder], { cwd: '/', uid, gid }).then(
    () => true,
    () => false,
  );
}

/**
 * A folder of another OS user gets neither a password nor binaries: its owner could exchange what is in it.
 * (Ours may be in the shared temporary folder, and be gone after a reboot.)
 */
export async function refuseForeign(folder: string): Promise<void> {
  if (process.getuid && (await fs.stat(folder)).uid !== process.getuid()) {
    throw new EmbeddedPostgresError(`The folder ${folder} belongs to another OS user; start Gatehouse as that user.`);
  }
}
