// Proves the promise of two commands as a newcomer would: this checkout cloned into a new folder, `npm ci`, `npm start` without
// settings, a first completion, SIGTERM. Then the exit code is 0 and no process is left behind. Needs only npm, git and the
// machine's own Node.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const READY_WITHIN_MS = 180_000;
const STOPPED_WITHIN_MS = 45_000;

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const parent = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-fresh-'));
// Readable by others, as a project folder is: the embedded Postgres runs as another user where this runs as root.
chmodSync(parent, 0o755);
const folder = path.join(parent, 'gatehouse');

// Without this machine's configuration, and without that of an npm run that this may be part of.
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^(GATEHOUSE_|DATABASE_|OPENAI_|FIREBASE_|PLATFORM_|METRICS_|REDIS_URL$|PUBLIC_URL$|NODE_OPTIONS$|NODE_ENV$|npm_)/.test(
        name,
      ),
  ),
);
environment.PATH = process.env.PATH.split(path.delimiter)
  .filter((entry) => !entry.includes(`node_modules${path.sep}.bin`))
  .join(path.delimiter);

// Git refuses to clone a checkout of another user, which CI's often is, unless the user's own configuration allows it.
const gitConfig = path.join(parent, 'gitconfig');
writeFileSync(gitConfig, '[safe]\n\tdirectory = *\n');
environment.GIT_CONFIG_GLOBAL = gitConfig;

let service = null;
try {
  say(`Cloning into ${folder}`);
  await run('git', ['clone', '--quiet', root, folder], parent);
  say('npm ci');
  await run('npm', ['ci'], folder);

  const port = await freePort();
  say(`npm start, on port ${port}`);
  service = start({ ...environment, HOST: '127.0.0.1', PORT: String(port), METRICS_PORT: '0' });
  await ready(port);
  const quickstart = path.join(folder, '.gatehouse', 'quickstart.json');
  const node = path.join(folder, 'node_modules', '.bin', 'node');
  await run(node, ['scripts/first-completion.mjs', quickstart], folder);

  say('SIGTERM');
  // Sent to the service itself, as an init system would: we promise nothing about npm and the shell passing it on.
  process.kill(servicePid(), 'SIGTERM');
  const code = await within(STOPPED_WITHIN_MS, service.ended, 'The service did not stop.');
  if (code !== 0) throw new Error(`The service ended with ${code}.`);
  const left = processesBelow(folder);
  if (left.length > 0)
    throw new Error(`Still running: ${left.map(({ pid, command }) => `${pid} ${command}`).join('; ')}`);
  say('Exit code 0, and nothing is left running.');
} catch (error) {
  process.stderr.write(`${error.message}\n${service === null ? '' : `What the service said:\n${service.said()}\n`}`);
  process.exitCode = 1;
} finally {
  for (const { pid } of processesBelow(folder)) stop(pid);
  await sleep(process.exitCode === 1 ? 1000 : 0);
  rmSync(parent, { recursive: true, force: true, maxRetries: 5 });
}

function say(line) {
  process.stdout.write(`fresh start: ${line}\n`);
}

/** Runs a command to its end, then prints its output, indented. */
async function run(command, args, cwd) {
  const { ended, said } = launch(command, args, cwd, environment);
  const code = await ended;
  const shown = said().trim();
  if (shown !== '') process.stdout.write(`${shown.replace(/^/gm, '    ')}\n`);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}.`);
}

function start(env) {
  return launch('npm', ['start'], folder, env);
}

function launch(command, args, cwd, env) {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
    });
  }
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? signal));
  });
  // The caller that awaits it gets the rejection; until then it must not count as unhandled.
  ended.catch(() => undefined);
  return { ended, said: () => output };
}

async function ready(port) {
  let code = null;
  service.ended.then(
    (ended) => {
      code = ended;
    },
    () => undefined,
  );
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline) {
    if (code !== null) throw new Error(`npm start ended with ${code} before it was ready.`);
    // This file is written last: when it exists, all others do.
    if (existsSync(path.join(folder, '.gatehouse', 'quickstart.json'))) {
      const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => null);
      if (answer?.status === 200) return;
    }
    await sleep(200);
  }
  throw new Error('npm start was not ready in time.');
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function within(ms, promise, otherwise) {
  const tooLate = new AbortController();
  const late = sleep(ms, null, { signal: tooLate.signal }).then(() => {
    throw new Error(otherwise);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    tooLate.abort();
  }
}

function servicePid() {
  const found = processesBelow(folder).filter(
    ({ command }) => command.includes('dist/main.js') && !command.startsWith('sh '),
  );
  if (found.length !== 1) throw new Error(`Not one service runs in ${folder}, but ${found.length}.`);
  return found[0].pid;
}

/**
 * Processes that work in a folder or were started from it; Postgres' own name their data folder. Linux only: elsewhere the list
 * is empty.
 */
function processesBelow(where) {
  if (!existsSync('/proc/self/cwd')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        const places = [readlinkSync(`/proc/${pid}/cwd`), command];
        return command !== '' && places.some((place) => place.includes(where)) ? [{ pid: Number(pid), command }] : [];
      } catch {
        // The process ended meanwhile, or we may not look at it.
        return [];
      }
    });
}

function stop(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
