// npm run test:changed [-- base]: runs the specs that changes since `base` (absent: since main) can reach, committed or not.
// Jest follows imports. A file that no module imports selects the specs that name it; a file that every spec depends on selects
// all.
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

const FOR_ALL = /^(prisma\/|jest\.config\.mjs$|package-lock\.json$|\.swcrc$|scripts\/build\.mjs$|test\/support\/jest-)/;

const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).split('\n').filter(Boolean);

/** Main as this clone has it: its own branch, or the remote's. */
function mainBranch() {
  const known = git('for-each-ref', '--format=%(refname:short)', 'refs/heads/main', 'refs/remotes/origin/main');
  if (known.length === 0)
    throw new Error('This clone has no branch `main`. Name what to compare with: npm run test:changed -- HEAD~1');
  return known[0];
}

const [base] = git('merge-base', process.argv[2] ?? mainBranch(), 'HEAD');
const changed = [...git('diff', '--name-only', base), ...git('ls-files', '--others', '--exclude-standard')];

function specsThatName(files) {
  const names = files.map((file) => path.basename(file));
  return ['src', 'test']
    .flatMap((folder) => readdirSync(folder, { recursive: true }).map((file) => path.join(folder, file)))
    .filter((file) => file.endsWith('.ts') && !file.startsWith(path.join('src', 'generated')))
    .filter((file) => {
      const text = readFileSync(file, 'utf8');
      return names.some((name) => text.includes(name));
    });
}

const modules = changed.filter((file) => file.endsWith('.ts'));
const others = changed.filter((file) => !file.endsWith('.ts'));
const selection = changed.some((file) => FOR_ALL.test(file))
  ? []
  : ['--findRelatedTests', ...modules, ...specsThatName(others)];
if (selection.length === 1) {
  console.log(`No spec reaches what changed since ${base.slice(0, 10)}.`);
  process.exit(0);
}
const { status } = spawnSync(
  'npm',
  ['run', '-s', 'jest', '--', '--passWithNoTests', ...process.argv.slice(3), ...selection],
  {
    stdio: 'inherit',
  },
);
process.exit(status ?? 1);
