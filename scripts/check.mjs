// `npm run check`: everything that can be told without running the service. The checks run side by side, all of them to
// their end, so that one run names all that is wrong. `npm run check -- lint types` runs those alone.
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const bin = (name) => path.join(root, 'node_modules', '.bin', name);

const CHECKS = {
  types: ['tsc', '-p', 'tsconfig.json'],
  lint: ['eslint', '--max-warnings', '0', '.'],
  imports: ['depcruise', '--config', '.dependency-cruiser.mjs', '--output-type', 'err-long', 'src', 'test'],
  format: ['prettier', '--check', '--log-level', 'warn', '.'],
};

/** What a check said, and how long it took. Never rejects. */
function run(name, [command, ...args]) {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const child = spawn(bin(command), args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
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

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in CHECKS));
if (unknown.length > 0) {
  process.stderr.write(`No such check: ${unknown.join(', ')}. There are ${Object.keys(CHECKS).join(', ')}.\n`);
  process.exit(2);
}

// The types and the import table look at the generated database client too, which a fresh clone has not yet.
const build = spawnSync(process.execPath, [path.join(root, 'scripts', 'build.mjs')], { stdio: 'inherit' });
if (build.status !== 0) process.exit(1);

const names = wanted.length > 0 ? wanted : Object.keys(CHECKS);
const results = await Promise.all(names.map((name) => run(name, CHECKS[name])));
for (const { name, output } of results.filter(({ passed }) => !passed)) {
  process.stdout.write(`\n──── ${name} ────\n${output.trim()}\n`);
}
process.stdout.write('\n');
for (const { name, passed, seconds } of results) {
  process.stdout.write(`${passed ? 'ok    ' : 'FAILED'}  ${name.padEnd(8)} ${seconds.toFixed(1)} s\n`);
}
process.exit(results.every(({ passed }) => passed) ? 0 : 1);
