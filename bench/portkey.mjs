// The published gateway that the service is compared with. It is fetched into the bench's own cache and is not a dependency of
// the project. Node starts it from there, so that its CPU time is one process's, in its most favourable form: production,
// headless.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort } from './processes.mjs';

const NAME = '@portkey-ai/gateway';
export const PORTKEY_VERSION = '1.15.2';

/**
 * With the adapter that a plain npx picks today, every stream of this gateway fails with "TypeError: immutable" (its
 * issue 1389); with this one streams work, and JSON is as fast. Only an override can choose it, and npx has none.
 */
const OVERRIDES = { '@hono/node-server': '1.13.8' };

/** @param {string} folder */
function findFetched(folder) {
  const start = join(folder, 'node_modules', ...NAME.split('/'));
  try {
    const { version, bin } = JSON.parse(readFileSync(join(start, 'package.json'), 'utf8'));
    const script = join(start, bin);
    return version === PORTKEY_VERSION && existsSync(script) ? script : null;
  } catch {
    return null;
  }
}

/**
 * @param {import('./processes.mjs').ProcessGroup} group
 * @param {string} folder
 * @returns {Promise<string>} the gateway's start script
 */
async function fetchPortkey(group, folder) {
  const fetched = findFetched(folder);
  if (fetched !== null) return fetched;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, dependencies: { [NAME]: PORTKEY_VERSION }, overrides: OVERRIDES }),
  );
  // Under `npm run` the path of npm is known. The gateway's install script patches nothing, and is not run.
  const npm = process.env['npm_execpath'];
  const [command, ...first] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm'];
  const args = [...first, 'install', `--prefix=${folder}`, '--ignore-scripts', '--no-audit', '--no-fund'];
  await group.run(/** @type {string} */ (command), args, { timeoutMs: 120_000, cwd: folder });
  const script = findFetched(folder);
  if (script === null) throw new Error(`npm did not leave ${NAME}@${PORTKEY_VERSION} in ${folder}`);
  return script;
}

/**
 * @param {import('./processes.mjs').ProcessGroup} group
 * @param {{ cacheDirectory: string, logFile: string }} folders
 * @returns {Promise<{ child: import('./processes.mjs').Child, port: number }>}
 */
export async function startPortkey(group, { cacheDirectory, logFile }) {
  const folder = join(cacheDirectory, `portkey-${PORTKEY_VERSION}`);
  const script = await fetchPortkey(group, folder);
  const port = await findFreePort();
  const child = group.start('portkey', process.execPath, [script, '--headless', `--port=${port}`], {
    logFile,
    cwd: folder,
    env: { PATH: process.env['PATH'], NODE_ENV: 'production' },
  });
  return { child, port };
}
