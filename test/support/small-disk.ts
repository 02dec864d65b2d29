/** A small file system of the test's own, in memory, that the test can fill to the last byte. */
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, open, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

const PIECE = Buffer.alloc(64 * 1024);

export class SmallDisk {
  private constructor(readonly folder: string) {}

  /** @throws Error where this user can't mount: a test that needs it is never skipped */
  static async mount(mebibytes: number): Promise<SmallDisk> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-disk-'));
    // Postgres' user passes through it.
    await chmod(folder, 0o755);
    asRoot('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0777`, 'tmpfs', folder]);
    return new SmallDisk(folder);
  }

  async fill(): Promise<void> {
    const file = await open(this.filler, 'w');
    try {
      // The last pieces are smaller: a single free page would let Postgres go on.
      for (let size = PIECE.length; size >= 1; size = Math.floor(size / 2)) await writeUntilFull(file, size);
    } finally {
      await file.close();
    }
  }

  makeRoom(): Promise<void> {
    return rm(this.filler);
  }

  async remove(): Promise<void> {
    asRoot('umount', [this.folder]);
    await rm(this.folder, { recursive: true, force: true });
  }

  private get filler(): string {
    return path.join(this.folder, 'filler');
  }
}

async function writeUntilFull(file: Awaited<ReturnType<typeof open>>, size: number): Promise<void> {
  for (;;) {
    try {
      await file.write(PIECE, 0, size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
      throw error;
    }
  }
}

function asRoot(program: string, args: readonly string[]): void {
  const command = process.getuid?.() === 0 ? [program, ...args] : ['sudo', '-n', program, ...args];
  const { error, status, stderr } = spawnSync(command[0] as string, command.slice(1), { encoding: 'utf8' });
  if (error !== undefined || status !== 0) {
    throw new Error(
      `This test mounts a file system, as root or by sudo without a password: ${error?.message ?? stderr}`,
    );
  }
}
