// `npm run check`: all checks that do not need a running service. They run side by side, one for each core, and all to their
// end, so that one run names all mistakes. `npm run check -- lint format` runs these two only. Results are kept under
// node_modules/.cache; CI=true or `--cold` ignores them.
import { spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const bin = (name) => path.join(root, 'node_modules', '.bin', name);

const asked = process.argv.slice(2);
const cold = process.env.CI === 'true' || asked.includes('--cold');
const CACHE = 'node_modules/.cache/gatehouse-check';
const cached = (...options) => (cold ? [] : options);

// scripts/lint.mjs reads from these declarations which types changed.
const KEEP_TYPES = [
  ...['--incremental', '--tsBuildInfoFile', `${CACHE}/types.tsbuildinfo`],
  ...['--noEmit', 'false', '--declaration', '--emitDeclarationOnly'],
  ...['--rootDir', '.', '--outDir', `${CACHE}/declarations`],
];
const CHECKS = {
  types: { run: [bin('tsc'), '-p', 'tsconfig.json', ...cached(...KEEP_TYPES)] },
  'dashboard-types': {
    run: [
      ...[bin('tsc'), '-p', 'dashboard/tsconfig.json'],
      ...cached(...KEEP_TYPES.map((option) => option.replace('types.tsbuildinfo', 'dashboard-types.tsbuildinfo'))),
    ],
  },
  lint: {
    run: [process.execPath, 'scripts/lint.mjs', ...cached('--cache', CACHE)],
    // Without kept results there is nothing to compare, so lint need not wait.
    after: cold ? null : 'types',
  },
  imports: {
    run: [
      ...[bin('depcruise'), '--config', '.dependency-cruiser.mjs', '--output-type', 'err-long'],
      ...cached('--cache', `${CACHE}/imports`, '--cache-strategy', 'content'),
      ...['src', 'test', 'dashboard/src'],
    ],
  },
  words: { run: [process.execPath, 'scripts/lint-words.mjs'] },
  unused: { run: [bin('knip'), '--no-progress', ...cached('--cache', '--cache-location', `${CACHE}/unused`)] },
  format: {
    run: [
      ...[bin('prettier'), '--check', '--log-level', 'warn'],
      ...cached('--cache', '--cache-strategy', 'content', '--cache-location', `${CACHE}/format`),
      '.',
    ],
  },
};

/** The output of a check, and how long it took. Never rejects. */
function run(name, [command, ...args]) {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (chunk) => {
      output += chunk;
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    const end = (passed) => resolve({ name, passed, output, seconds: (performance.now() - startedAt) / 1000 });
    child.on('error', (error) => {
      output += `${error.message}\n`;
      end(false);
    });
    child.on('close', (code) => end(code === 0));
  });
}

const wanted = asked.filter((name) => name !== '--cold');
const unknown = wanted.filter((name) => !(name in CHECKS));
if (unknown.length > 0) {
  process.stderr.write(`No such check: ${unknown.join(', ')}. There are ${Object.keys(CHECKS).join(', ')}.\n`);
  process.exit(2);
}
if (cold) rmSync(path.join(root, CACHE), { recursive: true, force: true });

// The types and the import table also read the generated database client, which a fresh clone does not have yet.
const build = spawnSync(process.execPath, [path.join(root, 'scripts', 'build.mjs')], { stdio: 'inherit' });
if (build.status !== 0) process.exit(1);
// The dashboard's types of the API are generated from its description.
const types = spawnSync(process.execPath, [path.join(root, 'scripts', 'build-dashboard.mjs'), '--types'], {
  stdio: 'inherit',
});
if (types.status !== 0) process.exit(1);

const names = new Set(wanted.length > 0 ? wanted : Object.keys(CHECKS));
for (const name of names) if (CHECKS[name].after) names.add(CHECKS[name].after);
/** Running more checks than there are cores only takes memory. */
let free = Math.max(2, os.availableParallelism());
const waiting = [];
async function inTurn(work) {
  if (free === 0) await new Promise((resolve) => waiting.push(resolve));
  else free -= 1;
  return work().finally(() => {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  });
}

const running = new Map();
const begin = (name) => {
  const { run: command, after } = CHECKS[name];
  const start = () => inTurn(() => run(name, command));
  if (!running.has(name)) running.set(name, after ? begin(after).then(start) : start());
  return running.get(name);
};
const results = await Promise.all([...names].map(begin));
for (const { name, output } of results.filter(({ passed }) => !passed)) {
  process.stdout.write(`\n──── ${name} ────\n${output.trim()}\n`);
}
process.stdout.write('\n');
for (const { name, passed, seconds } of results) {
  process.stdout.write(`${passed ? 'ok    ' : 'FAILED'}  ${name.padEnd(15)} ${seconds.toFixed(1)} s\n`);
}
process.exit(results.every(({ passed }) => passed) ? 0 : 1);
