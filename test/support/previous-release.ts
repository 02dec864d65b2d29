/** The build of the previous release, made from the repository's history. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/** A commit or a tag; each release writes its own (scripts/release.mjs). */
const NAMED_IN = 'test/operations/previous-release.txt';

export class PreviousRelease {
  private constructor(private readonly folder: string) {}

  /** @throws Error where the history does not go back that far */
  static async build(): Promise<PreviousRelease> {
    const name = readFileSync(NAMED_IN, 'utf8').trim();
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-previous-'));
    const release = new PreviousRelease(folder);
    try {
      const archive = spawnSync('git', ['archive', name], { maxBuffer: 256 * 1024 * 1024 });
      if (archive.status !== 0) {
        throw new Error(
          `${name}, which ${NAMED_IN} names, is not in this clone: fetch the whole history (git fetch --unshallow --tags). git says: ${String(archive.stderr)}`,
        );
      }
      done('tar', spawnSync('tar', ['-x', '-C', folder], { input: archive.stdout }));
      // It runs on this release's packages.
      await symlink(path.resolve('node_modules'), path.join(folder, 'node_modules'));
      const env = { ...process.env, NODE_OPTIONS: '' };
      done(`the build of ${name}`, spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: folder, env }));
      return release;
    } catch (error) {
      await release.remove();
      throw error;
    }
  }

  /** The names of its migrations. */
  get migrations(): string[] {
    return migrationsIn(this.folder);
  }

  get main(): string {
    return path.join(this.folder, 'dist', 'main.js');
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

export function migrationsIn(folder: string): string[] {
  const entries = readdirSync(path.join(folder, 'prisma', 'migrations'), { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
}

function done(what: string, { status, stderr }: { status: number | null; stderr: Buffer }): void {
  if (status !== 0) throw new Error(`${what} failed:\n${String(stderr)}`);
}
