// Builds the documentation's site from README.md and docs/ into site/: static files with a search of their own, which any web
// server can serve, and a running service does at /docs/guide. Skips what is up to date, as scripts/build.mjs does. With
// --check it writes nothing, and fails where a link leads nowhere.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import MiniSearch from 'minisearch';
import { pageHtml } from './guide/layout.mjs';
import { readPages } from './guide/pages.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const OUT = 'site';
const PICTURES = path.join('docs', 'screenshots');
const SOURCES = ['layout.mjs', 'pages.mjs', 'site.css', 'site.js'].map((name) => path.join('scripts', 'guide', name));

const { pages, problems } = readPages(root);
if (process.argv.includes('--check')) {
  if (problems.length > 0) {
    process.stderr.write(`${problems.join('\n')}\n`);
    process.exit(1);
  }
  process.stdout.write('Every link leads somewhere.\n');
  process.exit(0);
}

const hash = createHash('sha256');
for (const file of SOURCES) hash.update(readFileSync(file));
for (const { html } of pages) hash.update(html);
for (const picture of readdirSync(PICTURES).sort()) hash.update(readFileSync(path.join(PICTURES, picture)));
const stamp = hash.digest('hex');
if (existsSync(path.join(OUT, '.hash')) && readFileSync(path.join(OUT, '.hash'), 'utf8') === stamp) process.exit(0);

const fresh = `${OUT}.${process.pid}`;
const write = (place, text) => {
  const file = path.join(fresh, place);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
};
for (const page of pages) write(page.place, pageHtml(page, pages));
cpSync(PICTURES, path.join(fresh, 'screenshots'), { recursive: true });
write('assets/search.json', JSON.stringify(searchIndex()));
for (const name of ['site.css', 'site.js'])
  cpSync(path.join('scripts', 'guide', name), path.join(fresh, 'assets', name));
cpSync(
  path.join(path.dirname(createRequire(import.meta.url).resolve('minisearch')), '..', 'es', 'index.js'),
  path.join(fresh, 'assets', 'minisearch.js'),
);
write('.hash', stamp);
const old = `${OUT}.old.${process.pid}`;
if (existsSync(OUT)) renameSync(OUT, old);
renameSync(fresh, OUT);
rmSync(old, { recursive: true, force: true });

function searchIndex() {
  const index = new MiniSearch({ fields: ['title', 'page', 'text'], storeFields: ['title', 'page', 'href'] });
  let id = 0;
  for (const { place, sections } of pages) {
    for (const { page, title, anchor, text } of sections) {
      index.add({ id: (id += 1), page, title, text, href: anchor === '' ? place : `${place}#${anchor}` });
    }
  }
  return index;
}
