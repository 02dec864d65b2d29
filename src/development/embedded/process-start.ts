import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readIfThere } from './files.js';

/** When a process started, in the system's own words; null: no process has this id (a zombie does not count). */
export async function findProcessStart(pid: number): Promise<string | null> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return null;
  }
  if (process.platform === 'linux') {
    const stat = await readIfThere(`/proc/${pid}/stat`);
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    return !fields || fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  }
  if (process.platform === 'win32') return 'unknown';
  // The same words whatever the caller's own language and time zone are.
  const env = { LC_ALL: 'C', TZ: 'UTC' };
  const listed = await promisify(execFile)('/bin/ps', ['-o', 'lstart=', '-p', String(pid)], { env }).catch(() => null);
  return listed?.stdout.trim() || null;
}
