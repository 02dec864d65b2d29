/** The release script, on a repository of its own: its result, and what it refuses before it changes anything. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const SCRIPT = path.resolve('scripts/release.mjs');
const CHANGES = '# Changes\n\n## Unreleased\n\n- Something new.\n\n## 0.1.0 (2026-01-01)\n\n- The first one.\n';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-release-'));
  const manifest = { name: 'gatehouse', version: '0.1.0', private: true };
  write('package.json', JSON.stringify(manifest));
  write('package-lock.json', JSON.stringify({ ...manifest, lockfileVersion: 3, packages: { '': manifest } }));
  write('CHANGELOG.md', CHANGES);
  git('init', '--quiet', '--initial-branch=main');
  git('add', '.');
  git('commit', '--quiet', '--message', 'first');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text);
const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');
const environment = {
  ...{ PATH: process.env['PATH'], HOME: os.tmpdir(), npm_config_update_notifier: 'false' },
  ...{ GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@example.com', GIT_CONFIG_GLOBAL: '/dev/null' },
  ...{ GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@example.com' },
};
const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: folder, env: environment, encoding: 'utf8' }).trim();

function release(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

it('sets the version, dates the changes, commits and tags', () => {
  expect(release('0.2.0', '--dry-run').stdout).toContain('- Something new.');
  expect(git('status', '--porcelain')).toBe('');
  expect(release('0.2.0')).toMatchObject({ status: 0, stderr: '' });
  expect(JSON.parse(read('package.json'))).toMatchObject({ version: '0.2.0' });
  expect(JSON.parse(read('package-lock.json'))).toMatchObject({
    version: '0.2.0',
    packages: { '': { version: '0.2.0' } },
  });
  expect(read('CHANGELOG.md')).toMatch(
    /^## Unreleased\n\n## 0\.2\.0 \(\d{4}-\d\d-\d\d\)\n\n- Something new\.\n\n## 0\.1\.0/m,
  );
  expect(git('log', '-1', '--format=%s')).toBe('release: 0.2.0');
  expect(git('tag', '--points-at', 'HEAD')).toBe('v0.2.0');
  expect(read('test/operations/previous-release.txt')).toBe('v0.2.0\n');
  expect(git('status', '--porcelain')).toBe('');
});

it.each<[string, string[], () => void, RegExp]>([
  ['no version', [], () => undefined, /^Say one version/],
  ['a malformed version', ['1.0'], () => undefined, /^Say one version/],
  ['a lower version', ['0.0.9'], () => undefined, /not higher than 0\.1\.0/],
  ['uncommitted changes', ['0.2.0'], () => write('CHANGELOG.md', `${CHANGES}\n`), /^Commit or stash/],
  ['another branch', ['0.2.0'], () => git('switch', '--quiet', '--create', 'other'), /^Release from the branch main/],
  ['a tag that exists', ['0.2.0'], () => git('tag', 'v0.2.0'), /^The tag v0\.2\.0 exists/],
  [
    'nothing under Unreleased',
    ['0.2.0'],
    () => {
      write('CHANGELOG.md', '# Changes\n\n## Unreleased\n\n## 0.1.0 (2026-01-01)\n\n- The first one.\n');
      git('commit', '--all', '--quiet', '--message', 'empty');
    },
    /nothing under Unreleased/,
  ],
])('refuses %s, and changes nothing', (_what, args, prepare, about) => {
  prepare();
  const before = [git('rev-parse', 'HEAD'), git('status', '--porcelain'), git('tag')];
  expect(release(...args)).toEqual({ status: 1, stdout: '', stderr: expect.stringMatching(about) as string });
  expect([git('rev-parse', 'HEAD'), git('status', '--porcelain'), git('tag')]).toEqual(before);
});
