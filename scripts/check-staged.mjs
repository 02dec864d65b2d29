// `npm run check:staged`: formats and lints the files of the next commit only; .githooks/pre-commit runs it. A file that is
// staged in part is checked as it is in the working folder.
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const bin = (name) => path.join(root, 'node_modules', '.bin', name);
const named = execFileSync('git', ['diff', '--cached', '--name-only', '--diff-filter=ACMR', '-z'], {
  encoding: 'utf8',
});
const staged = named.split('\0').filter(Boolean);
const code = staged.filter((file) => /\.(?:tsx?|mjs|cjs)$/.test(file));

const failed = [
  run('format', bin('prettier'), ['--check', '--ignore-unknown', '--log-level', 'warn'], staged),
  run('lint', bin('eslint'), ['--no-warn-ignored'], code),
].filter((name) => name !== null);
if (failed.length > 0) {
  process.stderr.write(`Not committed: ${failed.join(' and ')} failed. \`npm run format\` mends the first kind.\n`);
  process.exit(1);
}

/** The name of a check that failed, otherwise null. */
function run(name, command, args, files) {
  if (files.length === 0) return null;
  const { status } = spawnSync(command, [...args, ...files], { stdio: 'inherit' });
  return status === 0 ? null : name;
}
