import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ClusterLocation } from './cluster-location.js';
import { EmbeddedPostgresError } from './embedded-postgres.error.js';
import { exists, parseJson } from './files.js';
import { runProgram } from './postgres-program.js';

/** The paths of Postgres' programs. */
export interface Binaries {
  initdb: string;
  pg_ctl: string;
  postgres: string;
}

/** The package for this platform, as the package `embedded-postgres` would find it. */
export async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const requireFrom = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const entry = requireFrom.resolve(`@embedded-postgres/${platform}`);
    return (await import(pathToFileURL(entry).href)) as Binaries;
  } catch (error) {
    throw new EmbeddedPostgresError(`There is no embedded Postgres for ${platform}; set DATABASE_URL.`, {
      cause: error,
    });
  }
}

/** The package's own binaries where the OS user can run them, else a copy beside the data. */
export async function findRunnable(packaged: Binaries, { location, user }: ClusterLocation): Promise<Binaries> {
  const runs = async (binaries: Binaries): Promise<unknown> =>
    runProgram({ location, user }, binaries.postgres, ['--version']).then(
      () => null,
      (error: unknown) => error,
    );
  for (const binary of [packaged.initdb, packaged.pg_ctl, packaged.postgres]) {
    const { mode } = await fs.stat(binary);
    if ((mode & 0o111) !== 0o111) await fs.chmod(binary, mode | 0o555).catch(() => undefined);
  }
  let trouble = await runs(packaged);
  if (trouble === null) return packaged;
  if (user) {
    const native = path.dirname(path.dirname(packaged.postgres));
    const manifest = parseJson<{ version: string }>(await fs.readFile(path.join(native, '..', 'package.json'), 'utf8'));
    const copy = path.join(location, `binaries-${manifest?.version}`);
    if (!(await exists(copy))) await copyForAll(native, copy);
    const inCopy = (binary: string): string => path.join(copy, path.relative(native, binary));
    const { initdb, pg_ctl, postgres } = packaged;
    const copied = { initdb: inCopy(initdb), pg_ctl: inCopy(pg_ctl), postgres: inCopy(postgres) };
    trouble = await runs(copied);
    if (trouble === null) return copied;
  }
  throw new EmbeddedPostgresError(
    'The embedded Postgres does not run on this machine (was it installed without its install script?); set DATABASE_URL.',
    { cause: trouble },
  );
}

/** Whole or not at all, and readable by everyone whatever the umask was at installation. */
async function copyForAll(source: string, target: string): Promise<void> {
  const draft = `${target}.${randomBytes(6).toString('hex')}`;
  await fs.cp(source, draft, { recursive: true, verbatimSymlinks: true, filter: (from) => !from.endsWith('.a') });
  await fs.chmod(draft, 0o755);
  for (const entry of await fs.readdir(draft, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const { mode } = await fs.stat(file);
    await fs.chmod(file, entry.isDirectory() || mode & 0o100 ? 0o755 : 0o644);
  }
  await fs.rename(draft, target);
}
