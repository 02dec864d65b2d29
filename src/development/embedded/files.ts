import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';

/** False also for a file that we may not look at. */
export function exists(file: string): Promise<boolean> {
  return fs.stat(file).then(
    () => true,
    () => false,
  );
}

/** Null when there is no such file, or it is of a process that has just ended (/proc). */
export async function readIfThere(file: string): Promise<string | null> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}

/** Replaces a file in one step: after a crash it is the old one or the new one. */
export async function writeWhole(file: string, text: string, mode = 0o600): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  await fs.writeFile(draft, text, { mode, flush: true });
  await fs.chmod(draft, mode);
  await fs.rename(draft, file);
}

/** Null for anything but JSON. What it holds is for the caller to know. */
export function parseJson<T extends object>(text: string): T | null {
  try {
    return JSON.parse(text) as T | null;
  } catch {
    return null;
  }
}
