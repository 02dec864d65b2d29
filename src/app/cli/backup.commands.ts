import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { programEnvironment } from '../../platform/config/index.js';
import { assertReadsAll, finishRestore, prepareRestore } from '../../platform/database/index.js';
import { OperatorError } from '../../platform/errors/index.js';
import { show, type OutputOptions } from './command-output.js';
import { DATABASE_SOURCES, withSettings } from './operator-settings.js';

/** What a running start of the service would otherwise be told: on standard error, since a program may read the answer. */
const tell = (line: string): void => void process.stderr.write(`${line}\n`);

export async function backup(file: string, options: OutputOptions): Promise<void> {
  if (existsSync(file)) throw new OperatorError(`${file} exists: name another file, or move it away.`);
  await withSettings(async ({ databaseUrl, databaseBackupUrl }) => {
    const url = databaseBackupUrl ?? databaseUrl;
    await assertReadsAll(url, databaseBackupUrl === undefined ? 'DATABASE_URL' : 'DATABASE_BACKUP_URL');
    await run('pg_dump', url, ['--format=custom', `--file=${file}`]);
  });
  show(
    options,
    { file },
    () => `${file} holds the whole database. Keep the secrets of its rows elsewhere: the settings.`,
  );
}

export async function restore(file: string, options: OutputOptions): Promise<void> {
  if (!existsSync(file)) throw new OperatorError(`There is no file ${file}.`);
  const { applied } = await withSettings(async ({ databaseUrl, databaseRolePrefix: prefix }) => {
    await prepareRestore(databaseUrl, prefix);
    await run('pg_restore', databaseUrl, ['--no-owner', '--exit-on-error', '--single-transaction', file]);
    return finishRestore(databaseUrl, DATABASE_SOURCES, prefix, tell);
  });
  show(options, { restored: file, applied }, () =>
    [
      'Restored. Policies, rights and functions are those of this version.',
      ...(applied.length > 0 ? [`Migrations that the backup lacked: ${applied.join(', ')}.`] : []),
    ].join('\n'),
  );
}

/** One of Postgres' own programs, which finds the password where no list of processes shows it. */
async function run(program: 'pg_dump' | 'pg_restore', url: string, args: readonly string[]): Promise<void> {
  const address = new URL(url);
  const env = programEnvironment({ PGPASSWORD: decodeURIComponent(address.password) });
  address.password = '';
  const child = spawn(program, [...args, `--dbname=${address.href}`], { env, stdio: ['ignore', 'inherit', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close').catch((error: unknown) => {
    throw new OperatorError(
      `${program} is not installed: install the Postgres client of the server's version (Debian: postgresql-client).`,
      { cause: error },
    );
  })) as [number | null];
  if (code === 0) return;
  const remedy = /server version mismatch|unrecognized configuration parameter/.test(stderr)
    ? `\nPut the ${program} of the server's own version first on the PATH.`
    : '';
  throw new OperatorError(`${program} failed:\n${stderr.trim()}${remedy}`);
}
