// `npm run release -- <version> [--image] [--dry-run]`: sets the version, dates what CHANGELOG.md has under Unreleased, commits
// and tags. --image then builds the container image, by Docker or Podman. Pushing is left to you.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

const IMAGE = 'gatehouse';
const PREVIOUS_RELEASE = 'test/operations/previous-release.txt';
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { image: { type: 'boolean' }, 'dry-run': { type: 'boolean' } },
});
const [version, ...others] = positionals;
const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim();
const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const changes = readFileSync('CHANGELOG.md', 'utf8');

if (!/^\d+\.\d+\.\d+$/.test(version ?? '') || others.length > 0) fail('Say one version, as 0.2.0.');
if (!isHigher(version, manifest.version)) fail(`${version} is not higher than ${manifest.version}.`);
if (git('status', '--porcelain') !== '') fail('Commit or stash what is changed first.');
if (git('branch', '--show-current') !== 'main') fail('Release from the branch main.');
if (git('tag', '--list', `v${version}`) !== '') fail(`The tag v${version} exists.`);
const [, unreleased = ''] = /^## Unreleased\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(changes) ?? [];
if (unreleased.trim() === '') fail('CHANGELOG.md has nothing under Unreleased.');

const tool = values.image
  ? ['docker', 'podman'].find((name) => spawnSync(name, ['--version']).status === 0)
  : undefined;
if (values.image && tool === undefined) fail('--image needs Docker or Podman.');
if (values['dry-run']) {
  process.stdout.write(`Would release ${version} with these changes:\n${unreleased.trimEnd()}\n`);
  process.exit(0);
}

const today = new Date().toISOString().slice(0, 10);
writeFileSync('CHANGELOG.md', changes.replace('## Unreleased\n', `## Unreleased\n\n## ${version} (${today})\n`));
const npm = spawnSync('npm', ['version', version, '--no-git-tag-version'], { stdio: ['ignore', 'ignore', 'inherit'] });
if (npm.status !== 0) fail('npm could not set the version.');
// Later releases are tested by upgrading from this one (test/operations/upgrade.spec.ts).
mkdirSync(path.dirname(PREVIOUS_RELEASE), { recursive: true });
writeFileSync(PREVIOUS_RELEASE, `v${version}\n`);
git('add', 'CHANGELOG.md', 'package.json', 'package-lock.json', PREVIOUS_RELEASE);
git('commit', '--quiet', '--message', `release: ${version}`);
git('tag', '--annotate', `v${version}`, '--message', `Gatehouse ${version}`);
if (tool !== undefined) {
  const tags = [`${IMAGE}:${version}`, `${IMAGE}:latest`].flatMap((tag) => ['--tag', tag]);
  const { status } = spawnSync(tool, ['build', ...tags, '.'], { stdio: 'inherit' });
  if (status !== 0) fail(`The image was not built; the commit and the tag v${version} are made.`);
}
process.stdout.write(`Released ${version}. Push it by: git push --follow-tags\n`);

function isHigher(one, other) {
  const [first, second] = [one, other].map((text) => text.split('.').map(Number));
  const at = first.findIndex((part, index) => part !== second[index]);
  return at !== -1 && first[at] > second[at];
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
