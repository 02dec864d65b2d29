// `npm run dev`: builds, starts, and restarts at each change of a source or of prisma/. The embedded Postgres is started here
// once. It outlives the restarts, which therefore take a second instead of several.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, utimesSync, watch } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';

const DEFAULT_DRAIN_SECONDS = '1';
const SQL_SETTLES_MS = 100;

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const build = spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
if (build.status !== 0) process.exit(1);
// From now on the watcher writes into dist/, so its stamp is no longer true.
rmSync('dist/.hash', { force: true });

// The service reads `.env` by itself; here it only shows whether a database is set.
const named = { ...(existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {}), ...process.env };
const environment = { ...process.env };
environment.GATEHOUSE_DRAIN_SECONDS ??= named.GATEHOUSE_DRAIN_SECONDS ?? DEFAULT_DRAIN_SECONDS;
// The next start reads the compiled code from this cache; compiling is the larger part of a restart.
environment.NODE_COMPILE_CACHE ??= path.resolve('node_modules/.cache/compiled');

const postgres = ['DATABASE_URL', 'DATABASE_APP_URL', 'DATABASE_DIRECT_URL'].some((name) => named[name])
  ? null
  : await startPostgres(path.resolve(named.GATEHOUSE_HOME || '.gatehouse', 'postgres'));
if (postgres !== null) {
  // A start with DATABASE_URL is production, unless this setting says otherwise.
  environment.DATABASE_URL = postgres.ownerUrl;
  environment.GATEHOUSE_DEV = '1';
}

// A process group of its own: a terminal's Ctrl+C reaches only this process, which passes it on once. A second one would end
// the service at once, without a drain.
const nest = spawn(process.execPath, ['node_modules/@nestjs/cli/bin/nest.js', 'start', '--watch'], {
  env: environment,
  stdio: ['ignore', 'inherit', 'inherit'],
  detached: true,
});
process.on('exit', () => {
  if (nest.exitCode === null && nest.signalCode === null) nest.kill();
});
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (!stopping) nest.kill('SIGTERM');
    stopping = true;
  });
}

// The service applies migrations and functions at its start, which the watcher begins when dist/ changes.
let settled;
watch('prisma', { recursive: true }, () => {
  clearTimeout(settled);
  settled = setTimeout(() => utimesSync('dist/main.js', new Date(), new Date()), SQL_SETTLES_MS);
});

nest.on('exit', async (code) => {
  await postgres?.stop();
  process.exit(code ?? 1);
});

async function startPostgres(directory) {
  const { startEmbeddedPostgres } = await import('../dist/development/embedded/embedded-postgres.js');
  try {
    return await startEmbeddedPostgres({ directory });
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
