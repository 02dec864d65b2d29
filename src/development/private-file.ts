import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';

/**
 * Files that only the user who runs the service may read. Each is written whole under another name and then put in its
 * place, so that a reader, in this process or another, sees all of the old content or all of the new.
 */

/** The content, or null where there is no such file. */
export async function readPrivateFile(file: string): Promise<string | null> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

export async function replacePrivateFile(file: string, content: string): Promise<void> {
  await placed(file, content, (written) => fs.rename(written, file));
}

/** Makes the file unless it is there by now; of several at once, one makes it and the others leave it. */
export async function createPrivateFile(file: string, content: string): Promise<void> {
  await placed(file, content, async (written) => {
    try {
      // A link, unlike a rename, never replaces.
      await fs.link(written, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  });
}

async function placed(file: string, content: string, place: (written: string) => Promise<void>): Promise<void> {
  await fs.mkdir(path.dirname(file), { recursive: true, mode: folderMode() });
  const written = `${file}.${randomUUID()}`;
  try {
    await fs.writeFile(written, content, { mode: 0o600, flag: 'wx' });
    await place(written);
  } finally {
    await fs.rm(written, { force: true });
  }
}

/**
 * Of a folder that is made here; one that is there keeps its own. Under root the embedded Postgres runs as another user,
 * who must get through to what is below, though not list it.
 */
function folderMode(): number {
  return process.getuid?.() === 0 ? 0o711 : 0o700;
}
